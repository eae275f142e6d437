"""Sets of half-open intervals on one contig: union, overlap, containment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Intervals:
    """Disjoint, sorted, half-open intervals ``[start, end)``; those that touch are joined.

    Attributes
    ----------
    starts, ends
        Coordinates in bases, 0-based; shape (intervals,).
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def union(cls, starts: ArrayLike, ends: ArrayLike) -> Self:
        """Join intervals given in any order; empty ones are ignored.

        >>> joined = Intervals.union([10, 0, 5], [12, 6, 8])
        >>> joined.starts.tolist(), joined.ends.tolist()
        ([0, 10], [8, 12])
        """
        left, right = np.asarray(starts, np.int64), np.asarray(ends, np.int64)
        order = np.argsort(left[right > left], kind="stable")
        left, right = left[right > left][order], right[right > left][order]
        if not len(left):
            return cls(left, right)
        reach = np.maximum.accumulate(right)
        first = np.concatenate([[True], left[1:] > reach[:-1]])
        last = np.concatenate([first[1:], [True]])
        return cls(left[first], reach[last])

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Self:
        """Join ``(start, end)`` pairs."""
        table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        return cls.union(table[:, 0], table[:, 1])

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bases(self) -> int:
        """Number of bases covered."""
        return int((self.ends - self.starts).sum())

    def overlaps(self, starts: ArrayLike, ends: ArrayLike) -> NDArray[np.bool_]:
        """Return for each ``[start, end)`` whether it shares a base with any interval."""
        # The intervals that end at or before `start` come first; if fewer of them than of those
        # that start before `end`, some interval lies in between.
        before = np.searchsorted(self.ends, starts, side="right")
        return np.asarray(before < np.searchsorted(self.starts, ends, side="left"))

    def contains(self, starts: ArrayLike, ends: ArrayLike) -> NDArray[np.bool_]:
        """Return for each ``[start, end)`` whether it lies within one interval."""
        if not len(self):
            return np.zeros(np.shape(starts), dtype=np.bool_)
        index = np.searchsorted(self.starts, starts, side="right") - 1
        within = np.asarray(ends) <= self.ends[np.maximum(index, 0)]
        return np.asarray((index >= 0) & within)


EMPTY = Intervals.of([])
