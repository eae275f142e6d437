"""DeepSEA's sequences with 919 chromatin labels, as text (Zhou and Troyanskaya 2015).

A line is a sequence and 919 times 0 or 1: 125 DNase tracks, 690 of transcription factors and 104
of histone marks, in this order. There is no header.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_public import DeepSeaTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.rows import clean_sequence, split_lines
from pipeline_lib.genome.reader import Genome
from pipeline_lib.genome.source import read_lines
from pipeline_lib.randomness import named_generator

GROUPS = {"DHS": (0, 125), "TF": (125, 815), "HM": (815, 919)}
LABELS = 919
_ZERO, _ONE = ord("0"), ord("1")


def read(settings: DeepSeaTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read sequences with their labels; of the training examples perhaps a share, at random.

    Returns
    -------
    Raw
        ``sequence`` is the middle of what the file gives, of ``context`` bases. ``split`` is the
        published one.

    Raises
    ------
    InputError
        If a line has not 919 labels, a label is not 0 or 1, or a sequence is too short.
    """
    left_out: Counter[str] = Counter()
    files = {"train": settings.train, "valid": settings.valid, "test": settings.test}
    tables = []
    for split, file in files.items():
        if file is None:
            continue
        share = settings.train_share if split == "train" else 1.0
        random = named_generator(seed, "DeepSEA", split)
        rows = list(_rows(Path(file), settings.context, share, random, left_out))
        if not rows:
            raise InputError(
                "the file holds no examples",
                path=file,
                remedy="give the published file" + (", or more of it" if share < 1 else ""),
            )
        table = pd.DataFrame({"sequence": [sequence for sequence, _ in rows]})
        table["target"] = as_column(np.stack([labels for _, labels in rows]))
        tables.append(table.assign(split=split))
    groups = {name: tuple(range(first, last)) for name, (first, last) in GROUPS.items()}
    target = Target("labels", _names(settings), groups)
    return Raw(pd.concat(tables, ignore_index=True), target, left_out)


def _rows(
    path: Path,
    context: int | None,
    share: float,
    random: np.random.Generator,
    left_out: Counter[str],
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for number, fields in split_lines(path, ","):
        if share < 1 and random.random() >= share:
            left_out["training example not drawn"] += 1
            continue
        labels = np.frombuffer(",".join(fields[1:]).encode(), dtype=np.uint8)
        digits = labels[::2]
        regular = len(fields) == LABELS + 1 and len(labels) == 2 * LABELS - 1
        if not regular or not np.isin(digits, (_ZERO, _ONE)).all():
            raise _wrong_labels(fields, number, path)
        where = f"line {number}, column 1"
        sequence = clean_sequence(fields[0], path, where)
        yield _middle(sequence, context, path, where), (digits == _ONE).astype(np.float32)


def _middle(sequence: str, context: int | None, path: Path, where: str) -> str:
    if context is None:
        return sequence
    if len(sequence) < context:
        raise InputError(
            f"the sequence has {len(sequence):,} bases",
            path=path,
            where=where,
            expected=f"at least the {context:,} of `context`",
            remedy="make `context` smaller",
        )
    start = (len(sequence) - context) // 2
    return sequence[start : start + context]


def _wrong_labels(fields: list[str], number: int, path: Path) -> InputError:
    if len(fields) != LABELS + 1:
        return InputError(
            f"the line has {len(fields):,} columns",
            path=path,
            where=f"line {number}",
            expected=f"{LABELS + 1}: the sequence and {LABELS} labels",
            remedy="correct the line, or fetch the file again",
        )
    column = next(i for i, value in enumerate(fields[1:], 2) if value not in ("0", "1"))
    return InputError(
        f"the label is {fields[column - 1]!r}",
        path=path,
        where=f"line {number}, column {column}",
        expected="0 or 1",
        remedy="correct the value, or fetch the file again",
    )


def _names(settings: DeepSeaTask) -> tuple[str, ...]:
    """Return the names of the labels; without a file of them, group and number."""
    if settings.names is None:
        return tuple(
            f"{group}_{number - first + 1:03d}"
            for group, (first, last) in GROUPS.items()
            for number in range(first, last)
        )
    path = Path(settings.names)
    names = tuple(line.strip() for _, line in read_lines(path, "a name a line") if line.strip())
    if len(names) != LABELS or len(set(names)) != LABELS:
        raise InputError(
            f"there are {len(names):,} names, {len(set(names)):,} of them different",
            path=path,
            expected=f"{LABELS} different names, one a line",
            remedy="correct the file, or leave `names` out",
        )
    return names
