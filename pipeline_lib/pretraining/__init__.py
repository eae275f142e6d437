"""Stage ``pretraining``: a model learns from unlabelled sequence.

`run.pretrain` is the whole stage; `loop` is the training loop, read from top to bottom.
"""
