"""Stage ``application``: what people do with a model once they have it.

Scores of variants, embeddings, attribution, tracks along chromosomes, generated sequence,
artificial genomes and a local page. Every command works in parts that are kept, so that one that
was killed goes on where it was and ends with the same output.
"""
