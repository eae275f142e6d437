"""Scores of many yes-or-no labels of the same examples, for many resamplings at once.

Truth is 0, 1 or NaN (not measured), scores are probabilities; both have shape (examples,
labels). Examples are ranked once for each label, and all resamplings are then counted along that
ranking by compiled code: about a nanosecond for each example, label and resampling.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.compiled import compiled
from pipeline_lib.evaluation.metrics import BINS

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Counts = NDArray[np.uint16]


def label_areas(truth: Floats, scores: Floats, weights: Array | Counts | None = None) -> Array:
    """Return AUROC and average precision of every label.

    Parameters
    ----------
    truth, scores
        Shape (examples, labels).
    weights
        How often each example was drawn, whole numbers; shape (samples, examples).

    Returns
    -------
    ndarray
        Shape (samples, labels, 2): AUROC, and average precision. NaN where a label has one
        value only in a resampling.
    """
    drawn = np.ones((1, len(truth))) if weights is None else weights
    counts = np.ascontiguousarray(drawn, dtype=np.uint16)
    areas = np.empty((len(counts), truth.shape[1], 2))
    for label in range(truth.shape[1]):
        known = np.flatnonzero(~np.isnan(truth[:, label]))
        found = scores[known, label]
        order = np.argsort(-found, kind="stable")
        ranked = found[order]
        last = np.ones(len(order), dtype=np.bool_)  # of examples with the same score
        last[:-1] = ranked[1:] != ranked[:-1]
        positive = truth[known[order], label] == 1
        _areas(counts, known[order], positive, last, areas[:, label])
    return areas


@compiled
def _areas(
    counts: Counts,
    order: NDArray[np.int64],
    positive: NDArray[np.bool_],
    last: NDArray[np.bool_],
    areas: Array,
) -> None:
    """Count along a ranking, best first; write AUROC and average precision of each sample."""
    for sample in range(counts.shape[0]):
        hits = alarms = 0.0
        tied_hits = tied_alarms = 0.0
        wins = precision = 0.0
        for place in range(len(order)):
            times = counts[sample, order[place]]
            if positive[place]:
                tied_hits += times
            else:
                tied_alarms += times
            if last[place]:
                wins += tied_alarms * (hits + tied_hits / 2)
                hits += tied_hits
                alarms += tied_alarms
                if tied_hits > 0:
                    precision += tied_hits * hits / (hits + alarms)
                tied_hits = tied_alarms = 0.0
        if hits > 0 and alarms > 0:
            areas[sample, 0] = wins / (hits * alarms)
            areas[sample, 1] = precision / hits
        else:
            areas[sample, 0] = np.nan
            areas[sample, 1] = np.nan


def medians(areas: Array, labels: Iterable[int] | None = None) -> Array:
    """Return the median over labels, or over some of them, of what :func:`label_areas` returns.

    Labels with one value only are left out; NaN where there are no others.

    Returns
    -------
    ndarray
        Shape (samples, 2).
    """
    chosen = areas if labels is None else areas[:, list(labels)]
    # NaN is sorted to the end; np.nanmedian does the same a hundred times slower.
    ordered = np.sort(chosen, axis=1)
    known = (~np.isnan(chosen)).sum(axis=1, keepdims=True)
    if not chosen.shape[1]:
        return np.full((len(areas), 2), np.nan)
    middle = [np.maximum((known - 1) // 2, 0), np.minimum(known // 2, chosen.shape[1] - 1)]
    low, high = (np.take_along_axis(ordered, where, axis=1)[:, 0] for where in middle)
    return np.where(known[:, 0] > 0, (low + high) / 2, np.nan)


def label_calibration(truth: Floats, scores: Floats) -> list[dict[str, float | int]]:
    """Return, for bins of the scores of all labels together, the share that is 1."""
    sums = np.zeros((3, BINS))
    for label in range(truth.shape[1]):
        known = ~np.isnan(truth[:, label])
        values = scores[known, label].astype(np.float64)
        bins = np.clip((values * BINS).astype(np.int64), 0, BINS - 1)
        for row, weights in enumerate((None, values, truth[known, label])):
            sums[row] += np.bincount(bins, weights=weights, minlength=BINS)
    return [
        {
            "low": index / BINS,
            "high": (index + 1) / BINS,
            "mean_score": float(sums[1, index] / count),
            "share_positive": float(sums[2, index] / count),
            "count": int(count),
        }
        for index, count in enumerate(sums[0])
        if count
    ]
