"""A statistic of the model, the same of the Markov model, and their difference, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.metrics import auroc, ratio
from pipeline_lib.randomness import named_generator

Array = NDArray[np.float64]
Interval = dict[str, float]
READERS = ("model", "markov")


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: of units drawn with replacement, the same for all readers.

    Attributes
    ----------
    samples, confidence
        Number of resamplings, and coverage of the intervals.
    seed
        Seed of the draws.
    """

    samples: int
    confidence: float
    seed: int

    def of(self, statistic: Callable[[Array], Array], units: NDArray[Any]) -> list[Interval]:
        """Return some statistics with their intervals.

        Parameters
        ----------
        statistic
            Takes weights of shape (samples, examples), returns shape (samples, statistics).
        units
            What each example is resampled with: a gene, a block; shape (examples,).
        """
        _, groups = np.unique(units, return_inverse=True)
        generator = named_generator(self.seed, "zero")
        drawn = resample(statistic, groups.astype(np.int64), self.samples, generator)
        points = statistic(np.ones((1, len(groups))))[0]
        return [
            interval(point, drawn[:, column], self.confidence)
            for column, point in enumerate(points)
        ]

    def contrast(
        self, statistics: Sequence[Callable[[Array], Array]], units: NDArray[Any]
    ) -> dict[str, Interval]:
        """Return a statistic of the model and of the Markov model, and the difference.

        Parameters
        ----------
        statistics
            Of the two, in this order; each takes weights, and returns one value a sample.
        """

        def both(weights: Array) -> Array:
            model, markov = (statistic(weights) for statistic in statistics)
            return np.stack([model, markov, model - markov], axis=1)

        return dict(zip((*READERS, "difference"), self.of(both, units), strict=True))


def mean_of(sums: Array, sizes: Array) -> Callable[[Array], Array]:
    """Return the statistic sum over sum: of the bits and the bases of blocks, say."""
    return lambda weights: ratio(weights @ sums, weights @ sizes.astype(np.float64))


def matched_auroc(
    labels: NDArray[np.bool_], scores: Array, strata: NDArray[Any]
) -> Callable[[Array], Array]:
    """Return how often a positive outranks a negative of the same stratum, ties counting 1/2."""
    parts = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    parts = [part for part in parts if 0 < labels[part].sum() < len(part)]

    def statistic(weights: Array) -> Array:
        wins, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for part in parts:
            drawn = weights[:, part]
            count = (drawn @ labels[part]) * (drawn @ ~labels[part])
            wins += np.nan_to_num(auroc(labels[part], scores[part], drawn)) * count
            pairs += count
        return ratio(wins, pairs)

    return statistic
