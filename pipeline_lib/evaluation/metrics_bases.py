"""Scores of the class of every base, for many resamplings of examples at once.

Neighbouring bases are not independent: what is resampled are examples, whole. All that a
resampling needs is therefore counted once for every example, and a row of weights of shape
(samples, examples) is multiplied with these counts. Results have shape (samples,), and are NaN
where a class is absent.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline_lib.evaluation.metrics import ratio

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
STEPS = 2_048
"""Most thresholds that a resampling is measured at, evenly spread over the bases of the class."""
PORTION = 64
"""Examples that are sorted into thresholds at a time."""


class Ranking:
    """Bases of examples ranked by the score of one class.

    Precision changes its weight only where a base of the class is found: thresholds are the
    scores of these bases, and of all others it matters alone which threshold they reach.

    Parameters
    ----------
    positive
        Whether a base is of the class; (examples, bases).
    known
        Whether anything is known of it; (examples, bases).
    scores
        Shape (examples, bases).
    """

    def __init__(
        self, positive: NDArray[np.bool_], known: NDArray[np.bool_], scores: Floats
    ) -> None:
        self._positive, self._known, self._scores = positive & known, known, scores
        self._thresholds = np.unique(scores[self._positive])[::-1]

    def auprc(self, weights: Array | None = None) -> Array:
        """Return the average precision: precision summed over the steps of recall."""
        hits, alarms = self._counts(weights)
        found = np.cumsum(hits, axis=1)
        precision = ratio(found, found + np.cumsum(alarms, axis=1))
        return ratio((hits * np.nan_to_num(precision)).sum(axis=1), hits.sum(axis=1))

    def top_k(self, weights: Array | None = None) -> Array:
        """Return the share of the k best-scored bases that are of the class.

        k is the number of bases of the class (Jaganathan et al. 2019). Of equal scores those of
        other classes come first.
        """
        hits, alarms = self._counts(weights)
        wanted = hits.sum(axis=1, keepdims=True)
        if not hits.shape[1]:
            return np.full(len(hits), np.nan)
        reached = np.cumsum(hits + alarms, axis=1)
        last = (reached >= wanted).argmax(axis=1)[:, None]
        before = np.take_along_axis(reached - hits - alarms, last, axis=1)
        own, others = (np.take_along_axis(c, last, axis=1) for c in (hits, alarms))
        earlier = np.take_along_axis(np.cumsum(hits, axis=1), last, axis=1) - own
        partly = np.clip(wanted - before - others, 0, own)
        return ratio((earlier + partly)[:, 0], wanted[:, 0])

    def curve(self) -> tuple[Array, Array]:
        """Return recall and precision at every threshold, from the highest on."""
        hits, alarms = self._counts(None)
        found = np.cumsum(hits[0])
        return found / max(hits.sum(), 1), ratio(found, found + np.cumsum(alarms[0]))

    def _counts(self, weights: Array | None) -> tuple[Array, Array]:
        """Return bases of the class, and others, that each threshold adds; (samples, steps)."""
        if weights is None:
            steps = len(self._thresholds)
            every = np.zeros((2, steps))
            for part in self._portions(self._thresholds):
                every += np.stack([np.asarray(found.sum(axis=0)).ravel() for found in part])
            return every[:1], every[1:]
        hits, alarms = self._by_example
        return _product(weights, hits), _product(weights, alarms)

    @cached_property
    def _by_example(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
        thresholds = self._thresholds
        if len(thresholds) > STEPS:
            places = np.linspace(0, len(thresholds) - 1, STEPS).round().astype(int)
            thresholds = thresholds[places]
        parts = list(self._portions(thresholds))
        hits, alarms = (sparse.vstack([part[i] for part in parts], "csr") for i in (0, 1))
        return hits, alarms

    def _portions(self, thresholds: Floats):  # type: ignore[no-untyped-def]
        """Yield bases of the class and others by example and threshold, some examples each."""
        steps = len(thresholds)
        for first in range(0, len(self._scores), PORTION):
            rows = slice(first, first + PORTION)
            step = np.searchsorted(-thresholds, -self._scores[rows], side="left")
            example = np.broadcast_to(np.arange(len(step))[:, None], step.shape)
            counted = self._known[rows] & (step < steps)
            positive = self._positive[rows]
            yield tuple(
                sparse.csr_matrix(
                    (np.ones(int(chosen.sum())), (example[chosen], step[chosen])),
                    shape=(len(step), steps),
                )
                for chosen in (counted & positive, counted & ~positive)
            )


class BaseScores:
    """Predicted classes of the bases of some examples, beside the truth.

    Parameters
    ----------
    truth
        Index of the class, NaN where not known; (examples, bases).
    scores
        Probabilities, class after class and base after base; (examples, bases * classes).
    """

    def __init__(self, truth: Floats, scores: Floats) -> None:
        self.truth, self.known = truth, ~np.isnan(truth)
        self.scores = scores.reshape(*truth.shape, -1)
        self._rankings: dict[int, Ranking] = {}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.scores.shape[2])

    def of(self, number: int) -> Ranking:
        """Return the bases ranked by one class."""
        if number not in self._rankings:
            positive = self.truth == number
            self._rankings[number] = Ranking(positive, self.known, self.scores[:, :, number])
        return self._rankings[number]

    def confusion(self, weights: Array | None = None) -> Array:
        """Return how often a class (rows) was called another; (samples, classes, classes)."""
        counts = self._confusions
        total = counts.sum(axis=0)[None] if weights is None else weights @ counts
        return np.asarray(total, dtype=np.float64).reshape(-1, self.classes, self.classes)

    @cached_property
    def _confusions(self) -> Array:
        """Confusions of each example; (examples, classes * classes)."""
        cells = self.classes**2
        result = np.zeros((len(self.truth), cells))
        for row, (truth, known) in enumerate(zip(self.truth, self.known, strict=True)):
            called = self.scores[row].argmax(axis=1)
            pairs = truth[known].astype(np.int64) * self.classes + called[known]
            result[row] = np.bincount(pairs, minlength=cells)
        return result


def _product(weights: Array, counts: sparse.csr_matrix) -> Array:
    return np.asarray(counts.T @ weights.T).T
