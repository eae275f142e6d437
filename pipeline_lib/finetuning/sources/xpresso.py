"""Messenger RNA level of genes from the sequence around their start (Xpresso).

Agarwal and Shendure 2020: 7,000 bases before the transcription start and 3,500 from it on, and
eight numbers about the transcript if they are at hand.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_public import XpressoTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    numbers_of,
    positions_of,
    read_rows,
    sequences_of,
)
from pipeline_lib.finetuning.sources.windows import (
    bounds,
    needs_genome,
    resolve_contigs,
    with_sequences,
)
from pipeline_lib.genome.reader import Genome

ADDED = 0.1  # Xpresso takes log10(x + 0.1), so that 0 has a logarithm


def read(settings: XpressoTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read genes with their level; nothing is drawn at random.

    Returns
    -------
    Raw
        ``numbers`` hold ``number_columns``, as they are or as log10(x + 0.1): they are scaled
        later, by what the training examples have. ``position`` is the transcription start.

    Raises
    ------
    InputError
        If a column is missing, a value is no number, or a contig is unknown.
    """
    path = Path(settings.file)
    asked = [settings.gene_column, settings.target, *settings.number_columns]
    places = [settings.contig_column, settings.position_column, settings.strand_column]
    column = settings.sequence_column
    rows = read_rows(path, [*asked, *(places if column is None else [column])])
    left_out: Counter[str] = Counter()
    level = _column(rows, settings.target, settings, path, missing=True)
    table = pd.DataFrame({"gene": rows[settings.gene_column], "target": as_column(level[:, None])})
    numbers = [_column(rows, name, settings, path) for name in settings.number_columns]
    if numbers:
        table["numbers"] = as_column(np.stack(numbers, axis=1))
    if column is not None:
        table = table.assign(sequence=_cropped(rows, column, settings, path))
    else:
        genome = needs_genome(genome, settings.type)
        table = _placed(table, rows, genome, settings, path, left_out)
    measured = [not np.isnan(value).any() for value in table["target"]]
    left_out["gene without a measurement"] += len(measured) - sum(measured)
    table = table[measured].assign(focus=settings.upstream, assembly=settings.assembly or "")
    return Raw(table.reset_index(drop=True), Target("numbers", (settings.target,)), left_out)


def _column(
    rows: pd.DataFrame, name: str, settings: XpressoTask, path: Path, *, missing: bool = False
) -> NDArray[np.float32]:
    values = numbers_of(rows, name, path, missing=missing)
    if name not in settings.log10_columns:
        return values
    if (values <= -ADDED).any():
        row = int(np.argmax(values <= -ADDED))
        raise InputError(
            f"{values[row]:g} has no logarithm",
            path=path,
            where=f"line {rows[LINE].iloc[row]}, column {name!r}",
            expected="numbers that are not negative, since log10(x + 0.1) is taken",
            remedy=f"correct the value, or take {name!r} out of `log10_columns`",
        )
    return np.asarray(np.log10(values + ADDED), dtype=np.float32)


def _placed(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    genome: Genome,
    settings: XpressoTask,
    path: Path,
    left_out: Counter[str],
) -> pd.DataFrame:
    contigs = resolve_contigs(rows[settings.contig_column], rows[LINE], genome, path)
    positions = positions_of(rows, settings.position_column, path)
    strands = choices_of(rows, settings.strand_column, ("+", "-"), path)
    start, end = bounds(positions, strands, settings.upstream, settings.downstream)
    table = table.assign(contig=contigs, position=positions, strand=strands, start=start, end=end)
    return with_sequences(table, genome, left_out)


def _cropped(rows: pd.DataFrame, column: str, settings: XpressoTask, path: Path) -> list[str]:
    """Return windows around the middle of the sequences that the file itself gives."""
    windows = []
    whole = sequences_of(rows, column, path)
    for line, sequence in zip(rows[LINE], whole, strict=True):
        middle = len(sequence) // 2
        if middle < settings.upstream or len(sequence) - middle < settings.downstream:
            raise InputError(
                f"the sequence has {len(sequence):,} bases",
                path=path,
                where=f"line {line}, column {column!r}",
                expected=f"{settings.upstream:,} before its middle and {settings.downstream:,} "
                "from it on",
                remedy="make `upstream` and `downstream` smaller",
            )
        windows.append(sequence[middle - settings.upstream : middle + settings.downstream])
    return windows
