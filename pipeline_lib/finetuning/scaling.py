"""Numbers of mean 0 and deviation 1, by what is known of the training examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 512
"""Rows or columns at a time: of large tables no copy in double precision is held."""


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of some columns.

    Attributes
    ----------
    mean, deviation
        Shape (columns,). A column that never varies has deviation 1.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> "Scaler":
        """Return the scaler of values (examples, columns); NaN are left out.

        A column without any value gets mean 0.
        """
        columns = range(0, values.shape[1], BLOCK)
        parts = [_moments(values[:, first : first + BLOCK]) for first in columns]
        mean, deviation = np.concatenate([*parts, np.empty((2, 0))], axis=1)
        # Rounding makes the deviation of equal values a little more than 0.
        varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-30)
        return cls(mean, np.where(varies, deviation, 1.0))

    def apply(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return values (rows, columns) in deviations from the mean."""
        scaled = np.empty(values.shape, dtype=np.float32)
        for first in range(0, len(values), BLOCK):
            rows = slice(first, first + BLOCK)
            scaled[rows] = (values[rows] - self.mean) / self.deviation
        return scaled

    def undo(self, scaled: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return what was scaled in its own units; (..., columns)."""
        return scaled * self.deviation + self.mean

    def to_lists(self) -> dict[str, list[float]]:
        """Return both as lists, which JSON holds without loss."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_lists(cls, values: dict[str, list[float]]) -> "Scaler":
        """Return the scaler that :meth:`to_lists` wrote."""
        return cls(np.array(values["mean"]), np.array(values["deviation"]))


def _moments(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return means and standard deviations; (2, columns)."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0).astype(np.float64)
    mean = filled.sum(axis=0) / counts
    square = np.where(known, filled - mean, 0) ** 2
    return np.stack([mean, np.sqrt(square.sum(axis=0) / counts)])
