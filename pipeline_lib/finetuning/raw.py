"""What a source of examples gives: sequences and targets, before they are split."""

from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from pipeline_lib.finetuning.examples import Target


@dataclass(frozen=True)
class Raw:
    """What a task's source holds, before it is split.

    Attributes
    ----------
    table
        Columns ``sequence`` (upper case) and ``target`` (float32 arrays), and any others of
        :data:`pipeline_lib.finetuning.examples.EXAMPLE_SCHEMA` that are known. ``split`` is the
        published one; "" or no column: undecided. ``group`` is the source's own: rows with equal
        numbers must stay together; -1 or no column: nothing is known.
    target
        What is to be predicted.
    left_out
        How many rows were left out, by reason.
    notes
        Further facts for ``stats.json``.
    """

    table: pd.DataFrame
    target: Target
    left_out: Counter[str] = field(default_factory=Counter)
    notes: dict[str, object] = field(default_factory=dict)
