"""Stage evaluation: held-out bits per base and task scores, beside baselines and with intervals.

`markov` and `kmer` are the baselines, `pretraining` and `task` measure models; `metrics` and
`bootstrap` are what all of them measure with.
"""
