"""dnalm: from a genome to an evaluated DNA language model.

One package per stage, in the order in which data flows:
genome, corpus, tokenizer, shards, pretraining, finetuning, evaluation, application, report.
"""

import os

# Threads that wait for each other without spinning: on a core that other work shares, spinning
# makes training five times slower. Read by the OpenMP of torch when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

STAGES = (
    "genome",
    "corpus",
    "tokenizer",
    "shards",
    "pretraining",
    "finetuning",
    "evaluation",
    "application",
    "report",
)
