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
    counts = np.ascontiguousarray(drawn.T, dtype=np.uint16)  # (examples, samples)
    areas = np.empty((counts.shape[1], truth.shape[1], 2))
    for label in range(truth.shape[1]):
        known = np.flatnonzero(~np.isnan(truth[:, label]))
        found = scores[known, label]
        order = np.argsort(-found, kind="stable")
        positive = truth[known[order], label] == 1
        _areas(counts, known[order], positive, *_ties(found[order], positive), areas[:, label])
    return areas


def _ties(
    ranked: Floats, positive: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which examples end a run of equal scores, and which are in one with a positive."""
    last = np.ones(len(ranked), dtype=np.bool_)
    last[:-1] = ranked[1:] != ranked[:-1]
    run: NDArray[np.int64] = np.cumsum(last) - last
    return last, np.bincount(run, weights=positive, minlength=1)[run] > 0


@compiled
def _areas(
    counts: Counts,
    order: NDArray[np.int64],
    positive: NDArray[np.bool_],
    last: NDArray[np.bool_],
    mixed: NDArray[np.bool_],
    areas: Array,
) -> None:
    """Count along a ranking, best first; write AUROC and average precision of each sample.

    The inner loops run over samples, whose counts lie beside each other: the compiler turns them
    into instructions for several at once. Most examples are negatives with a score of their own,
    for which one addition will do.
    """
    samples = counts.shape[1]
    hits, alarms = np.zeros(samples), np.zeros(samples)
    tied_hits, tied_alarms = np.zeros(samples), np.zeros(samples)
    losses, precision = np.zeros(samples), np.zeros(samples)
    for place in range(len(order)):
        times = counts[order[place]]
        if positive[place]:
            for s in range(samples):
                tied_hits[s] += times[s]
        elif mixed[place]:
            for s in range(samples):
                tied_alarms[s] += times[s]
        else:
            for s in range(samples):
                alarms[s] += times[s]
        if last[place] and mixed[place]:
            for s in range(samples):
                losses[s] += tied_hits[s] * (alarms[s] + tied_alarms[s] / 2)
                hits[s] += tied_hits[s]
                alarms[s] += tied_alarms[s]
                precision[s] += tied_hits[s] * hits[s] / max(hits[s] + alarms[s], 1.0)
                tied_hits[s] = 0.0
                tied_alarms[s] = 0.0
    for s in range(samples):
        if hits[s] > 0 and alarms[s] > 0:
            areas[s, 0] = 1 - losses[s] / (hits[s] * alarms[s])
            areas[s, 1] = precision[s] / hits[s]
        else:
            areas[s, 0] = np.nan
            areas[s, 1] = np.nan


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
