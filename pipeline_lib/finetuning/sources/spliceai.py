"""SpliceAI's sequences with a class for each base in their middle, as GENA-LM publishes them."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_dense import SpliceAiTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.dense import Floats, drawn
from pipeline_lib.finetuning.sources.rows import clean_sequence, split_lines
from pipeline_lib.genome.reader import Genome

CLASSES = ("neither", "acceptor", "donor")
MISSING = -1


def read(settings: SpliceAiTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read rows, and cut them into examples.

    Returns
    -------
    Raw
        ``group`` is the number of the row: the examples of a row share sequence.

    Raises
    ------
    InputError
        If a row is malformed, or has other lengths than the first one.
    """
    tables = []
    shape: tuple[int, int] | None = None
    rows = 0
    for split in ("train", "valid", "test"):
        if (name := getattr(settings, split)) is None:
            continue
        path = Path(name)
        count = sum(1 for _ in split_lines(path, ","))
        wanted = set(drawn(count, settings.max_windows, seed, split).tolist())
        for place, (number, fields) in enumerate(split_lines(path, ",")):
            if place not in wanted:
                continue
            sequence = clean_sequence(fields[0], path, f"line {number}")
            labels = _labels(fields[1:], path, number)
            shape = shape or (len(sequence), len(labels))
            _check(sequence, labels, shape, settings, path, number)
            cut = _cut(sequence, labels, settings)
            tables.append(pd.DataFrame(cut).assign(split=split, group=rows))
            rows += 1
    assert shape is not None  # an empty file is an error by itself
    units = settings.window or shape[1]
    table = pd.concat(tables, ignore_index=True)
    return Raw(table, Target("bases", CLASSES, bin=1, units=units))


def _cut(sequence: str, labels: Floats, settings: SpliceAiTask) -> dict[str, list[object]]:
    """Return sequences and targets of windows side by side, each with its context."""
    first, window = (len(sequence) - len(labels)) // 2, settings.window or len(labels)
    context = settings.context
    cut: dict[str, list[object]] = {"sequence": [], "target": []}
    for start in range(0, len(labels) - window + 1, window):
        begin = first + start - context
        cut["sequence"].append(sequence[begin : begin + window + 2 * context])
        cut["target"].append(labels[start : start + window].copy())
    return cut


def _labels(fields: list[str], path: Path, number: int) -> Floats:
    try:
        values: NDArray[np.float32] = np.array(fields, dtype=np.float32)
    except ValueError:
        values = np.array([np.nan], dtype=np.float32)
    wrong = ~np.isin(values, (MISSING, 0, 1, 2))
    if not len(values) or wrong.any():
        raise InputError(
            f"column {int(wrong.argmax()) + 2 if len(values) == len(fields) else 2} is no class",
            path=path,
            where=f"line {number}",
            expected="0 (neither), 1 (acceptor), 2 (donor) or -1 (not known) for each base",
            remedy="correct the line, or fetch the file again",
        )
    values[values == MISSING] = np.nan
    return values


def _check(
    sequence: str,
    labels: Floats,
    shape: tuple[int, int],
    settings: SpliceAiTask,
    path: Path,
    number: int,
) -> None:
    if (len(sequence), len(labels)) != shape:
        raise InputError(
            f"the sequence has {len(sequence):,} bases, and {len(labels):,} of them a class",
            path=path,
            where=f"line {number}",
            expected=f"{shape[0]:,} and {shape[1]:,}, as in the first row",
            remedy="correct the line, or fetch the file again",
        )
    side = (shape[0] - shape[1]) // 2
    if settings.context > side or (settings.window or 1) > shape[1]:
        raise InputError(
            f"`window` is {settings.window or shape[1]:,} and `context` {settings.context:,}",
            path=path,
            expected=f"at most {shape[1]:,} and {side:,}, which is what the rows have",
            remedy="set smaller ones for the task",
        )
