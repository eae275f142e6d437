"""Stage finetuning: labelled examples from a genome and its annotation, and models tuned to them.

`sites` makes the examples of a task, `homology` keeps related sequence out of different splits,
`tune` trains a pretrained or a randomly initialised encoder with a classification head.
"""
