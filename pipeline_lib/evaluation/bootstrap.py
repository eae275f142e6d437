"""Percentile intervals by resampling independent units (Efron and Tibshirani 1993, chapter 13).

Neighbouring bases and homologous examples are not independent: what is resampled are blocks of
sequence and groups of homologous examples, whole.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Weights held in memory at a time: 64 MB.
_CELLS = 8_000_000


def group_weights(
    groups: NDArray[np.int64], samples: int, generator: np.random.Generator
) -> Iterator[Array]:
    """Yield how often each example is drawn when whole groups are drawn with replacement.

    Parameters
    ----------
    groups
        Group of each example; shape (examples,).
    samples
        Number of resamplings. Each draws as many groups as there are.

    Yields
    ------
    ndarray
        Shape (some samples, examples); all together ``samples`` rows.
    """
    distinct, member = np.unique(groups, return_inverse=True)
    units = len(distinct)
    at_a_time = max(1, _CELLS // max(len(groups), 1))
    for first in range(0, samples, at_a_time):
        count = min(at_a_time, samples - first)
        drawn = generator.integers(units, size=(count, units))
        drawn += np.arange(count)[:, None] * units
        times = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        yield times[:, member].astype(np.float64)


def resample(
    statistic: Callable[[Array], Array],
    groups: NDArray[np.int64],
    samples: int,
    generator: np.random.Generator,
) -> Array:
    """Return a statistic of every resampling of groups.

    Parameters
    ----------
    statistic
        Takes weights of shape (samples, examples), returns an array with ``samples`` rows.
    """
    return np.concatenate([statistic(w) for w in group_weights(groups, samples, generator)])


def counts(
    groups: NDArray[np.int64], samples: int, generator: np.random.Generator
) -> NDArray[np.uint16]:
    """Return the weights of all resamplings at once, as small whole numbers.

    Shape (samples, examples), 2 bytes each.
    """
    drawn = np.empty((samples, len(groups)), dtype=np.uint16)
    first = 0
    for weights in group_weights(groups, samples, generator):
        drawn[first : first + len(weights)] = weights
        first += len(weights)
    return drawn


def interval(value: float, samples: Array, confidence: float) -> dict[str, float]:
    """Return a value with the percentile interval of its resamplings.

    Resamplings in which the statistic is not defined (NaN) are left out.
    """
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return {"value": float(value), "low": float(value), "high": float(value)}
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return {"value": float(value), "low": float(low), "high": float(high)}


def mean_interval(
    sums: Array,
    sizes: Array,
    *,
    samples: int,
    confidence: float,
    generator: np.random.Generator,
) -> dict[str, float]:
    """Return ``sum(sums) / sum(sizes)`` over units, with its interval.

    Parameters
    ----------
    sums, sizes
        For each unit, for example the bits and the bases of a block; shape (units,).
    """
    table = np.stack([sums, sizes], axis=1).astype(np.float64)
    units = np.arange(len(table))
    totals = resample(lambda weights: weights @ table, units, samples, generator)
    ratios = totals[:, 0] / np.where(totals[:, 1] > 0, totals[:, 1], np.nan)
    return interval(float(sums.sum() / sizes.sum()), ratios, confidence)
