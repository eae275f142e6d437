"""dnalm: from a genome to an evaluated DNA language model.

One package per stage, in the order in which data flows:
genome, corpus, tokenizer, shards, pretraining, finetuning, evaluation, report.
"""

__version__ = "0.1.0"

STAGES = (
    "genome",
    "corpus",
    "tokenizer",
    "shards",
    "pretraining",
    "finetuning",
    "evaluation",
    "report",
)
