"""Share of transcripts that end at a polyadenylation signal (APARENT, Bogard et al. 2019).

CSV files with the variable part of a construct (``seq``), the construct up to and around it
(``seq_ext``), the library that it comes from and the share (``target``, 0 to 1).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_public import AparentTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.rows import LINE, numbers_of, read_rows, sequences_of
from pipeline_lib.genome.reader import Genome

NAME = "proximal_share"


def read(settings: AparentTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read pairs of sequences with their share; nothing is drawn at random.

    ``kind`` is the library. Validation examples are not published: they are for the protocol to
    draw from the training examples.

    Raises
    ------
    InputError
        If a column is missing, or a share is not between 0 and 1.
    """
    files = {"train": Path(settings.train), "test": Path(settings.test)}
    table = pd.concat(
        [_rows(path).assign(split=split) for split, path in files.items()], ignore_index=True
    )
    return Raw(table, Target("numbers", (NAME,)))


def _rows(path: Path) -> pd.DataFrame:
    rows = read_rows(path, ("seq", "seq_ext", "library", "target"))
    shares = numbers_of(rows, "target", path)
    wrong = (shares < 0) | (shares > 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"the share is {shares[row]:g}",
            path=path,
            where=f"line {rows[LINE].iloc[row]}, column 'target'",
            expected="0 to 1",
            remedy="correct the value, or remove the row",
        )
    return pd.DataFrame(
        {
            "sequence": sequences_of(rows, "seq", path),
            "partner": sequences_of(rows, "seq_ext", path),
            "kind": rows["library"].str.strip(),
            "target": as_column(shares[:, None]),
        }
    )
