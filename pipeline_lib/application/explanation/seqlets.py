"""Stretches of sequences that matter more than the rest."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline_lib.application.explanation.model import Array

DEVIATIONS = 4.0
"""A stretch stands out if it lies so many robust deviations above the median of all."""


class Seqlet(NamedTuple):
    """A stretch of a sequence that matters: bases ``start`` to ``end`` of sequence ``number``."""

    number: int
    start: int
    end: int
    importance: float


def find_seqlets(importance: Sequence[Array], width: int, most: int) -> list[Seqlet]:
    """Return stretches in which the importance adds up to much, either way.

    Of windows of some bases those that stand out from all, the largest first, none of which
    overlaps with another. They are returned in the order of sequences.

    Parameters
    ----------
    importance
        Of each sequence; shape (length,).
    width
        Of a stretch, in bases.
    most
        Stretches to return, those of the largest sums.
    """
    found: list[Seqlet] = []
    sums = [
        np.convolve(values, np.ones(width), "valid") if len(values) >= width else np.empty(0)
        for values in importance
    ]
    sizes = np.abs(np.concatenate([*sums, np.empty(0)]))
    if not len(sizes):
        return []
    median = np.median(sizes)
    least = median + DEVIATIONS * 1.4826 * np.median(np.abs(sizes - median))
    for number, values in enumerate(sums):
        free = np.abs(values)
        while len(free) and free.max() > least:
            start = int(free.argmax())
            found.append(Seqlet(number, start, start + width, float(values[start])))
            free[max(0, start - width + 1) : start + width] = 0
    largest = sorted(found, key=lambda one: (-abs(one.importance), one.number, one.start))[:most]
    return sorted(largest)
