"""What pretrained models know, measured without labels and without tuning.

`reader` and `model` make bits per base of any sequence, `held` and `genes` say where held-out
sequence, genes and sites are; `regions`, `sites`, `codons`, `shuffles` and `needles` each measure
one thing, and `evaluate` writes them down.
"""
