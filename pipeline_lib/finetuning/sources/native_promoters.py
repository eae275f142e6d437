"""Expression of 120-base yeast promoters from a reporter library (GEO series GSE104878).

Each row is a promoter sequence with the expression level that was measured for it; all share the
ends of the construct that they were cloned into.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_public import NativePromotersTask
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.rows import choices_of, numbers_of, read_rows, sequences_of
from pipeline_lib.genome.reader import Genome


def read(settings: NativePromotersTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read sequences with their expression levels; nothing is drawn at random.

    Rows without any of the levels asked for are left out. ``kind`` is "native" or "variant".

    Raises
    ------
    InputError
        If a column is missing, or a level is neither a number nor NA.
    """
    path = Path(settings.file)
    rows = read_rows(path, ("seq", "isNative", *settings.target))
    native = np.array(choices_of(rows, "isNative", ("TRUE", "FALSE"), path)) == "TRUE"
    levels = np.stack(
        [numbers_of(rows, column, path, missing=True) for column in settings.target], axis=1
    )
    measured = np.asarray(~np.isnan(levels).all(axis=1))
    left_out = Counter({"row without a measurement": int((~measured).sum())})
    kept = measured
    if settings.only_native:
        left_out["designed variant"] = int((measured & ~native).sum())
        kept = measured & native
    table = pd.DataFrame(
        {
            "sequence": sequences_of(rows.loc[kept], "seq", path),
            "target": as_column(levels[kept]),
            "kind": np.where(native[kept], "native", "variant"),
        }
    )
    return Raw(table, Target("numbers", settings.target), left_out)
