"""Scores of a classifier of three or more classes, for many resamplings at once.

As in :mod:`pipeline_lib.evaluation.metrics`, a row of weights is one resampling. Truth is the
index of the class, shape (examples,); scores are probabilities, shape (examples, classes), and
the class called is the one with the largest. Results have shape (samples,).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline_lib.evaluation.metrics import auroc, calibration, mean_of_known, ratio

Array = NDArray[np.float64]
Truth = NDArray[np.int64]


def confusion(truth: Truth, scores: Array, weights: Array | None = None) -> Array:
    """Return how often a class (rows) was called another (columns).

    Returns
    -------
    ndarray
        Shape (samples, classes, classes).
    """
    classes = scores.shape[1]
    cells = truth * classes + called(scores)
    drawn = np.ones((1, len(truth))) if weights is None else weights
    where = (cells, np.arange(len(cells)))
    table = sparse.csr_matrix((np.ones(len(cells)), where), shape=(classes**2, len(cells)))
    return np.asarray(table @ drawn.T).T.reshape(-1, classes, classes)


def called(scores: Array) -> Truth:
    """Return the class with the largest score of each example, the first of equal ones."""
    return np.asarray(np.argmax(scores, axis=1), dtype=np.int64)


def accuracy(table: Array) -> Array:
    """Return the share of examples whose class was called, from :func:`confusion`."""
    return ratio(_diagonal(table).sum(axis=1), table.sum(axis=(1, 2)))


def balanced_accuracy(table: Array) -> Array:
    """Return the mean over classes of the share of each that was called right.

    Classes without examples are left out.
    """
    return mean_of_known(ratio(_diagonal(table), table.sum(axis=2)))


def macro_f1(table: Array) -> Array:
    """Return the mean over classes of F1; classes neither there nor called are left out."""
    return mean_of_known(ratio(2 * _diagonal(table), table.sum(axis=2) + table.sum(axis=1)))


def mcc(table: Array) -> Array:
    """Return the correlation of truth and calls over all classes (Gorodkin 2004, R_K).

    0 where there is one class alone, or one class alone was called.
    """
    total = table.sum(axis=(1, 2))
    there, calls = table.sum(axis=2), table.sum(axis=1)
    shared = _diagonal(table).sum(axis=1) * total - (there * calls).sum(axis=1)
    spread = (total**2 - (there**2).sum(axis=1)) * (total**2 - (calls**2).sum(axis=1))
    return np.where(spread > 0, shared / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def macro_auroc(truth: Truth, scores: Array, weights: Array | None = None) -> Array:
    """Return the mean over classes of the AUROC of one class against all others.

    Classes that are absent from a resampling, or make up all of it, are left out of its mean.
    """
    columns = [auroc(truth == c, scores[:, c], weights) for c in range(scores.shape[1])]
    return mean_of_known(np.stack(columns, axis=1))


DECIDED: dict[str, Callable[[Array], Array]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "mcc": mcc,
}
"""Metrics of the class called: functions of the confusion table."""


def top_calibration(truth: Truth, scores: Array) -> list[dict[str, float | int]]:
    """Return, for bins of the largest probability, how often that class was the right one."""
    calls = called(scores)
    return calibration((truth == calls).astype(np.int64), scores[np.arange(len(calls)), calls])


def _diagonal(table: Array) -> Array:
    return np.diagonal(table, axis1=1, axis2=2)
