"""Scores of variants: how a model's reading of the genome changes with the alternative allele."""
