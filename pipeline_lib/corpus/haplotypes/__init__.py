"""Haplotypes of a population: phased variants (VCF, BCF) applied to the reference.

`vcf` turns variant files into a store of calls that can all be applied; `consensus` reads windows
of the store and writes the sequence of any haplotype.
"""
