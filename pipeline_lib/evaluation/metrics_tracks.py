"""Scores of predicted tracks, for many resamplings of examples at once.

As in :mod:`pipeline_lib.evaluation.metrics_bases` examples are resampled whole, here by sums of
each example and track. Results have shape (samples, tracks), and are NaN where not defined.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.metrics import ratio

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
SMALLEST = 1e-6
"""Predictions below this count as this: the logarithm of 0 is not defined."""


class TrackScores:
    """Predicted numbers of bins and tracks of some examples, beside the truth.

    Parameters
    ----------
    truth, predicted
        Track after track and bin after bin; NaN in truth where not known. Shape
        (examples, bins * tracks).
    tracks
        Number of tracks.
    """

    def __init__(self, truth: Floats, predicted: Floats, tracks: int) -> None:
        shape = (len(truth), -1, tracks)
        true, found = truth.reshape(shape), predicted.reshape(shape)
        known = ~np.isnan(true)
        size = np.maximum(known.sum(axis=(0, 1)), 1)
        means = [
            np.where(known, values, 0).sum(axis=(0, 1), dtype=np.float64) / size
            for values in (true, found)
        ]
        sums = [_sums(*parts, *means) for parts in zip(true, found, known, strict=True)]
        self._sums = np.stack(sums) if sums else np.zeros((0, 8, tracks))
        # Rounding errors of a sum of squares are of this size.
        self._tiny = [1e-12 * size * mean**2 for mean in means]

    def measure(self, weights: Array | None = None) -> dict[str, Array]:
        """Return ``pearson``, ``r2`` and ``poisson_nll`` (a bin), each (samples, tracks).

        Poisson's negative log-likelihood is prediction - truth * log(prediction), without the
        part that depends on the truth alone.
        """
        flat = self._sums.reshape(len(self._sums), -1)
        drawn = np.ones((1, len(flat))) if weights is None else weights
        total = (drawn @ flat).reshape(len(drawn), *self._sums.shape[1:])
        size, first, second, square, other, shared, errors, loss = np.moveaxis(total, 1, 0)
        size = np.maximum(size, 1)
        spread = _rounded(square - first**2 / size, square, self._tiny[0])
        guessed = _rounded(other - second**2 / size, other, self._tiny[1])
        both = shared - first * second / size
        return {
            "pearson": np.clip(ratio(both, np.sqrt(spread * guessed)), -1, 1),
            "r2": 1 - ratio(errors, spread),
            "poisson_nll": ratio(loss, total[:, 0]),
        }


def _sums(
    truth: Floats, found: Floats, known: NDArray[np.bool_], middle: Array, guess: Array
) -> Array:
    """Return the sums of an example, (8, tracks); values are taken from about their means."""
    true = np.where(known, truth, 0).astype(np.float64)
    score = found.astype(np.float64)
    first, second = (np.where(known, v, 0) for v in (true - middle, score - guess))
    loss = np.where(known, score - true * np.log(np.maximum(score, SMALLEST)), 0)
    errors = np.where(known, (true - score) ** 2, 0)
    parts = (known, first, second, first**2, second**2, first * second, errors, loss)
    return np.stack([part.sum(axis=0, dtype=np.float64) for part in parts])


def _rounded(spread: Array, scale: Array, tiny: Array) -> Array:
    """Return a sum of squares, 0 where it is the rounding error of a difference."""
    return np.where(spread > np.maximum(1e-12 * scale, tiny), spread, 0.0)
