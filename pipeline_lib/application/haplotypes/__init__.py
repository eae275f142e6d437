"""Artificial genomes: haplotypes that resemble those of a population (DNAGPT, section 3.5).

``panel`` holds haplotypes, ``hapt`` and ``vcf`` read and write them; ``model`` and ``training``
learn them, ``generation`` draws new ones; ``measures`` and ``report`` say how good they are,
beside the simple samplers of ``samplers``.
"""
