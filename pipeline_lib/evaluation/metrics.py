"""Scores of a binary classifier, for many resamplings of the examples at once.

A resampling is a row of weights: how often each example was drawn. Every metric takes labels
and scores of shape (examples,) and weights of shape (samples, examples), and returns one value
a sample, shape (samples,); with no weights, one value of the examples as they are. A metric
that is not defined for a sample (no positives in it, say) is NaN there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[Any]
BINS = 10


def auroc(labels: Labels, scores: Array, weights: Array | None = None) -> Array:
    """Return the area under the ROC curve: how often a positive outranks a negative, ties 1/2."""
    positive, negative = _by_score(labels, scores, weights)
    below = np.cumsum(negative, axis=1) - negative
    wins = (positive * (below + negative / 2)).sum(axis=1)
    return ratio(wins, positive.sum(axis=1) * negative.sum(axis=1))


def auprc(labels: Labels, scores: Array, weights: Array | None = None) -> Array:
    """Return the average precision: precision summed over the steps of recall."""
    positive, negative = _by_score(labels, -scores, weights)
    found = np.cumsum(positive, axis=1)
    precision = ratio(found, found + np.cumsum(negative, axis=1))
    total = positive.sum(axis=1)
    return ratio((positive * np.nan_to_num(precision)).sum(axis=1), total)


def brier(labels: Labels, scores: Array, weights: Array | None = None) -> Array:
    """Return the mean squared difference of score and label (Brier 1950)."""
    weights = _weights(labels, weights)
    return ratio(weights @ (scores - labels) ** 2, weights.sum(axis=1))


def ece(labels: Labels, scores: Array, weights: Array | None = None) -> Array:
    """Return the expected calibration error over 10 bins of equal width (Naeini et al. 2015)."""
    weights = _weights(labels, weights)
    bins = _bin(scores)
    excess = weights * (scores - labels)
    gaps = sum(np.abs(excess[:, bins == index].sum(axis=1)) for index in range(BINS))
    return ratio(np.asarray(gaps), weights.sum(axis=1))


def f1(labels: Labels, predicted: Labels, weights: Array | None = None) -> Array:
    """Return the harmonic mean of precision and recall of predicted labels; 0 if none is right."""
    hits, false_alarms, misses, _ = _confusion(labels, predicted, weights)
    return ratio(2 * hits, 2 * hits + false_alarms + misses)


def mcc(labels: Labels, predicted: Labels, weights: Array | None = None) -> Array:
    """Return Matthews' correlation coefficient of predicted labels; 0 where a margin is empty."""
    hits, false_alarms, misses, rejections = _confusion(labels, predicted, weights)
    product = (
        (hits + false_alarms)
        * (hits + misses)
        * (rejections + false_alarms)
        * (rejections + misses)
    )
    difference = hits * rejections - false_alarms * misses
    return np.where(product > 0, difference / np.sqrt(np.where(product > 0, product, 1)), 0.0)


def accuracy(labels: Labels, predicted: Labels, weights: Array | None = None) -> Array:
    """Return the share of examples whose label was predicted."""
    hits, false_alarms, misses, rejections = _confusion(labels, predicted, weights)
    return ratio(hits + rejections, hits + false_alarms + misses + rejections)


RANKED: dict[str, Callable[[Labels, Array, Array | None], Array]] = {
    "auroc": auroc,
    "auprc": auprc,
    "brier": brier,
    "ece": ece,
}
"""Metrics of scores."""

DECIDED: dict[str, Callable[[Labels, Labels, Array | None], Array]] = {
    "mcc": mcc,
    "f1": f1,
    "accuracy": accuracy,
}
"""Metrics of predicted labels, that is of scores and a threshold."""


def best_threshold(labels: Labels, scores: Array) -> float:
    """Return the threshold with the largest MCC: a score at or above it is called positive.

    Candidates lie halfway between neighbouring scores, and the lowest of equally good ones wins.
    """
    values = np.unique(scores)
    cuts = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2])
    order = np.argsort(scores, kind="stable")
    above = len(scores) - np.searchsorted(scores[order], cuts, side="left")
    tail = np.concatenate([np.cumsum(labels[order][::-1])[::-1], [0]]).astype(np.float64)
    hits, positives = tail[len(scores) - above], float(labels.sum())
    negatives, alarms = len(labels) - positives, above - hits
    product = above * positives * (len(scores) - above) * negatives
    difference = hits * (negatives - alarms) - alarms * (positives - hits)
    values_mcc = np.where(product > 0, difference / np.sqrt(np.maximum(product, 1)), 0.0)
    return float(cuts[np.argmax(values_mcc)])


def calibration(labels: Labels, scores: Array) -> list[dict[str, float | int]]:
    """Return, for each bin of scores that holds any, the mean score and the share of positives."""
    bins = _bin(scores)
    return [
        {
            "low": index / BINS,
            "high": (index + 1) / BINS,
            "mean_score": float(scores[bins == index].mean()),
            "share_positive": float(labels[bins == index].mean()),
            "count": int((bins == index).sum()),
        }
        for index in range(BINS)
        if (bins == index).any()
    ]


def _bin(scores: Array) -> NDArray[np.int64]:
    return np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)


def _weights(labels: Labels, weights: Array | None) -> Array:
    return np.ones((1, len(labels))) if weights is None else weights


def _by_score(labels: Labels, scores: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return weights of positives and of negatives at each distinct score, lowest first."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    drawn = _weights(labels, weights)[:, order]
    truth = np.asarray(labels)[order] == 1
    positive = np.add.reduceat(drawn * truth, starts, axis=1)
    return positive, np.add.reduceat(drawn * ~truth, starts, axis=1)


def _confusion(labels: Labels, predicted: Labels, weights: Array | None) -> list[Array]:
    weights = _weights(labels, weights)
    truth, called = np.asarray(labels) == 1, np.asarray(predicted) == 1
    cells = (truth & called, ~truth & called, truth & ~called, ~truth & ~called)
    return [weights @ cell.astype(np.float64) for cell in cells]


def ratio(numerator: Array, denominator: Array) -> Array:
    """Return a quotient, NaN where the denominator is not positive."""
    safe = np.where(denominator > 0, denominator, 1.0)
    return np.asarray(np.where(denominator > 0, numerator / safe, np.nan))


def mean_of_known(values: Array) -> Array:
    """Return the mean of each row without its NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))
