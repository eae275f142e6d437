"""Scores of predicted numbers, for many resamplings at once.

Truth and predictions have shape (examples,); truth may be NaN where nothing was measured. A row
of weights, shape (samples, examples), is one resampling; results have shape (samples,) and are
NaN where a metric is not defined, such as a correlation with a constant.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.metrics import ratio

Array = NDArray[np.float64]
BINS = 10


def pearson(truth: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Return the correlation of truth and prediction."""
    truth, predicted, drawn = _known(truth, predicted, weights)
    return _correlation(truth - _middle(truth), predicted - _middle(predicted), drawn)


def spearman(truth: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Return the correlation of the ranks of truth and prediction; equal values share a rank."""
    truth, predicted, drawn = _known(truth, predicted, weights)
    return _correlation(_ranks(truth, drawn), _ranks(predicted, drawn), drawn)


def r2(truth: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Return 1 - residual / total sum of squares: the share of the variance that is predicted.

    Below 0 where the mean of the truth would have been the better prediction.
    """
    truth, predicted, drawn = _known(truth, predicted, weights)
    centred = truth - _middle(truth)
    size = drawn.sum(axis=1)
    total = drawn @ centred**2 - (drawn @ centred) ** 2 / np.maximum(size, 1)
    return 1 - ratio(drawn @ (truth - predicted) ** 2, _rounded(total, drawn @ centred**2))


def rmse(truth: Array, predicted: Array, weights: Array | None = None) -> Array:
    """Return the root of the mean squared error, in the units of the truth."""
    truth, predicted, drawn = _known(truth, predicted, weights)
    return np.sqrt(ratio(drawn @ (truth - predicted) ** 2, drawn.sum(axis=1)))


NUMBERS: dict[str, Callable[[Array, Array, Array | None], Array]] = {
    "pearson": pearson,
    "spearman": spearman,
    "r2": r2,
    "rmse": rmse,
}


def number_calibration(truth: Array, predicted: Array) -> list[dict[str, float | int]]:
    """Return mean truth and mean prediction of each tenth of the examples, by prediction."""
    truth, predicted, _ = _known(truth, predicted, None)
    order = np.argsort(predicted, kind="stable")
    return [
        {
            "low": float(predicted[part].min()),
            "high": float(predicted[part].max()),
            "mean_score": float(predicted[part].mean()),
            "mean_truth": float(truth[part].mean()),
            "count": len(part),
        }
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def _known(truth: Array, predicted: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    known = ~np.isnan(truth)
    drawn = np.ones((1, len(truth))) if weights is None else weights
    kept = truth[known].astype(np.float64), predicted[known].astype(np.float64)
    return (*kept, drawn if known.all() else drawn[:, known])


def _middle(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0


def _ranks(values: Array, drawn: Array) -> Array:
    """Return the mid-rank of each example in each resampling; shape (samples, examples)."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    if not len(starts):
        return np.zeros_like(drawn)
    tied = np.add.reduceat(drawn[:, order], starts, axis=1)
    middle = np.cumsum(tied, axis=1) - tied / 2
    middle -= drawn.sum(axis=1, keepdims=True) / 2  # numbers near 0 keep their digits
    return np.asarray(middle[:, place])


def _correlation(first: Array, second: Array, drawn: Array) -> Array:
    """Return the weighted correlation; values have shape (examples,) or (samples, examples)."""
    size = np.maximum(drawn.sum(axis=1), 1)

    def total(values: Array) -> Array:
        return np.asarray((drawn * values).sum(axis=1) if values.ndim == 2 else drawn @ values)

    squares = [total(values**2) for values in (first, second)]
    sums = [total(values) for values in (first, second)]
    spreads = [
        _rounded(square - part**2 / size, square)
        for square, part in zip(squares, sums, strict=True)
    ]
    shared = total(first * second) - sums[0] * sums[1] / size
    return np.clip(ratio(shared, np.sqrt(spreads[0] * spreads[1])), -1, 1)


def _rounded(spread: Array, scale: Array) -> Array:
    """Return a sum of squares, 0 where it is the rounding error of a difference."""
    return np.where(spread > 1e-12 * scale, spread, 0.0)
