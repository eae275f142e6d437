"""Linear models on sparse features: logistic for classes, least squares for all else.

Hundreds of labels are fitted by least squares on 0 and 1: one decomposition of the features
serves them all and every penalty, and labels are scored by the order of their scores.
"""

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline_lib.finetuning.examples import Target

INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0)
PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
MOST_DENSE = 4_096

Floats = NDArray[np.floating]
Rows = NDArray[np.bool_]
Fit = Callable[[float], Floats]
Trial = tuple[dict[str, float], Floats]


def trials(
    target: Target, table: sparse.csr_matrix, truth: Floats, train: Rows, *, seed: int
) -> Iterator[Trial]:
    """Yield predictions for all examples with each penalty, fitted on the training examples.

    Parameters
    ----------
    target
        What is predicted.
    table
        Features; shape (examples, features).
    truth
        Targets; shape (examples, width of the target).
    train
        Which examples are for training.
    seed
        Seed of the solver.

    Yields
    ------
    penalty
        ``{"C": ...}`` of a logistic regression, ``{"alpha": ...}`` of a ridge regression.
    scores
        Shape (examples, outputs of the target).
    """
    if target.kind == "class":
        yield from _logistic(target, table, truth, train, seed)
        return
    for penalty, scores in _ridge(table, truth, train):
        yield {"alpha": penalty}, scores.clip(0, 1) if target.kind == "labels" else scores


def _logistic(
    target: Target, table: sparse.csr_matrix, truth: Floats, train: Rows, seed: int
) -> Iterator[Trial]:
    labels = truth[train, 0].astype(np.int64)
    for penalty in INVERSE_PENALTIES:
        model = LogisticRegression(C=penalty, max_iter=300, tol=1e-3, random_state=seed)
        with warnings.catch_warnings():
            # A fit that is nearly done is a baseline too, and chosen by what it reaches on valid.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(table[train], labels)
        scores = np.zeros((len(truth), target.outputs))
        scores[:, model.classes_] = model.predict_proba(table)
        yield {"C": penalty}, scores


def _ridge(table: sparse.csr_matrix, truth: Floats, train: Rows) -> Iterator[tuple[float, Floats]]:
    """Yield ridge regressions of all targets; targets known for the same examples are one fit."""
    known = ~np.isnan(truth) & train[:, None]
    patterns, which = np.unique(known.T, axis=0, return_inverse=True)
    prepare = _dense if table.shape[1] <= MOST_DENSE else _iterative
    fits: list[tuple[NDArray[np.intp], Fit]] = []
    for pattern, rows in enumerate(patterns):
        columns = np.flatnonzero(which.ravel() == pattern)
        if rows.any():
            values = truth[np.ix_(rows, columns)].astype(np.float64)
            fits.append((columns, prepare(table, rows, values)))
    for penalty in PENALTIES:
        scores = np.zeros(truth.shape, dtype=np.float32)
        for columns, fit in fits:
            scores[:, columns] = fit(penalty)
        yield penalty, scores


def _dense(table: sparse.csr_matrix, rows: Rows, values: Floats) -> Fit:
    """Return a function of the penalty that predicts, by one decomposition for all of them."""
    known = table[rows].astype(np.float64)
    mean = np.asarray(known.mean(axis=0)).ravel()
    middle = values.mean(axis=0)
    square = (known.T @ known).toarray() - len(values) * np.outer(mean, mean)
    size, axes = np.linalg.eigh(square)
    # The features are not centred, which would fill them; values that sum to 0 make up for it.
    turned = axes.T @ (known.T @ (values - middle))

    def fit(penalty: float) -> Floats:
        weights = axes @ (turned / (size.clip(0) + penalty)[:, None])
        return np.asarray(table @ weights + (middle - mean @ weights))

    return fit


def _iterative(table: sparse.csr_matrix, rows: Rows, values: Floats) -> Fit:
    """Return a function of the penalty that predicts, for too many features to decompose."""

    def fit(penalty: float) -> Floats:
        model = Ridge(alpha=penalty, solver="sparse_cg", tol=1e-4).fit(table[rows], values)
        return np.asarray(model.predict(table)).reshape(table.shape[0], -1)

    return fit
