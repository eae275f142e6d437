"""Targets as a column of a table, and classes in an order that never depends on the file's."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.finetuning.examples import Target


def as_column(values: NDArray[Any]) -> NDArray[np.object_]:
    """Return rows of shape (examples, width) as a column of float32 arrays."""
    rows = np.asarray(values, dtype=np.float32)
    column = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        column[index] = row
    return column


def by_name(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the different labels, sorted: as numbers if all are whole numbers, else as text.

    >>> by_name(["10", "9", "10"]), by_name(["b", "a"])
    (('9', '10'), ('a', 'b'))
    """
    names = set(labels)
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def class_target(labels: Sequence[str]) -> tuple[Target, NDArray[np.object_]]:
    """Return the classes of rows as a target and as the column ``target``."""
    names = by_name(labels)
    index = {name: number for number, name in enumerate(names)}
    values = np.array([index[label] for label in labels], dtype=np.float32)
    return Target("class", names), as_column(values[:, None])
