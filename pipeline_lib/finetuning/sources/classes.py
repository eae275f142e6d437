"""Classes and labels of tables: their names in an order that never depends on the file's."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.finetuning.examples import Target, as_lists


def by_name(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the different labels, sorted: as numbers if all are whole numbers, else as text.

    >>> by_name(["10", "9", "10"]), by_name(["b", "a"])
    (('9', '10'), ('a', 'b'))
    """
    names = set(labels)
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def class_target(labels: Sequence[str]) -> tuple[Target, list[NDArray[np.float32]]]:
    """Return the classes of rows as a target and as the column ``target``."""
    names = by_name(labels)
    index = {name: number for number, name in enumerate(names)}
    values = np.array([index[label] for label in labels], dtype=np.float32)
    return Target("class", names), as_lists(values[:, None])
