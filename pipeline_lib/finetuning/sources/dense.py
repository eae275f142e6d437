"""What sources of targets along the sequence share: windows side by side, and rows drawn."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_dense import WindowsTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.windows import window_sequences
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator

Floats = NDArray[np.float32]
Labels = Callable[[str, str, NDArray[np.int64]], Floats]
"""Targets of windows: contig, strand and first labelled bases to (windows, width)."""


def drawn(count: int, most: int, seed: int, *names: str) -> NDArray[np.int64]:
    """Return which of some rows to take, in their order: at most so many, drawn at random."""
    if count <= most:
        return np.arange(count)
    return np.sort(named_generator(seed, "windows", *names).permutation(count)[:most])


def tiled(genome: Genome, settings: WindowsTask) -> pd.DataFrame:
    """Return windows side by side on all contigs: contig, strand, position, start and end.

    ``position`` is the first base that has a target; the context lies around it.
    """
    tables = []
    reach = settings.window + settings.context
    for contig, length in genome.contigs.items():
        positions = np.arange(settings.context, length - reach + 1, settings.window)
        tables.append(pd.DataFrame({"contig": contig, "position": positions}))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        raise InputError(
            f"no contig has {reach + settings.context:,} bases",
            path=genome.directory,
            remedy="set a smaller `window` or `context` for the task",
        )
    starts = table["position"] - settings.context
    return table.assign(strand="+", start=starts, end=table["position"] + reach)


def completed(
    table: pd.DataFrame,
    genome: Genome,
    settings: WindowsTask,
    labels: Labels,
    left_out: Counter[str],
    seed: int,
) -> pd.DataFrame:
    """Draw windows, and add their sequences and targets.

    Windows with over 10 % unknown bases are left out and counted.
    """
    table = table.iloc[drawn(len(table), settings.max_windows, seed)].reset_index(drop=True)
    sequences = window_sequences(table, genome, left_out)
    usable = sequences != ""
    table = table.assign(sequence=sequences)[usable].reset_index(drop=True)
    targets = np.empty(len(table), dtype=object)
    positions = table["position"].to_numpy(dtype=np.int64)
    places: Any = table.groupby(["contig", "strand"], sort=False).indices
    for (contig, strand), rows in places.items():
        values = labels(contig, strand, positions[rows])
        for row, value in zip(rows, values, strict=True):
            targets[row] = value
    return table.assign(target=targets, assembly=settings.assembly)
