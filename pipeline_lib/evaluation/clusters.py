"""How well vectors keep classes apart: neighbours, a linear model, silhouettes and clusters."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier

NEIGHBOURS = 10
STRENGTHS = (1e-3, 1e-2, 0.1, 1.0)
"""Inverse penalties of the linear model; the best on valid is used."""

Array = NDArray[np.float64]
Vectors = NDArray[np.float32]
Truth = NDArray[np.int64]


def neighbour_calls(train: Vectors, classes: Truth, test: Vectors) -> Truth:
    """Return the class that most of the 10 nearest training examples have, by cosine distance."""
    model = KNeighborsClassifier(min(NEIGHBOURS, len(train)), metric="cosine")
    return np.asarray(model.fit(train, classes).predict(test), dtype=np.int64)


def linear_calls(
    train: Vectors, classes: Truth, valid: Vectors, valid_classes: Truth, test: Vectors
) -> Truth:
    """Return the class that a logistic regression calls; its penalty is chosen on valid."""
    best, calls = -1.0, np.zeros(len(test), dtype=np.int64)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what is reached counts
            model.fit(train, classes)
        reached = balanced_accuracy(model.predict(valid), valid_classes)(np.ones((1, len(valid))))
        if reached[0] > best:
            best, calls = float(reached[0]), np.asarray(model.predict(test), dtype=np.int64)
    return calls


def balanced_accuracy(calls: Truth, classes: Truth) -> Callable[[Array], Array]:
    """Return a function of weights (samples, examples): mean share of each class called right."""
    right = calls == classes
    members = [classes == index for index in np.unique(classes)]

    def statistic(weights: Array) -> Array:
        shares = []
        for own in members:
            total = weights[:, own].sum(axis=1)
            found = weights[:, own & right].sum(axis=1)
            shares.append(np.where(total > 0, found / np.where(total > 0, total, 1), np.nan))
        return np.nanmean(np.stack(shares), axis=0)  # type: ignore[no-any-return]

    return statistic


def silhouette(vectors: Vectors, classes: Truth) -> Callable[[Array], Array]:
    """Return a function of weights: the mean silhouette of examples (Rousseeuw 1987).

    The distances are those to all examples; only of which examples the mean is taken varies.
    """
    each = silhouette_samples(vectors, classes, metric="cosine").astype(np.float64)

    def statistic(weights: Array) -> Array:
        return np.asarray(weights @ each / weights.sum(axis=1))

    return statistic


def rand_index(clusters: Truth, classes: Truth) -> Callable[[Array], Array]:
    """Return a function of weights: the adjusted Rand index (Hubert and Arabie 1985).

    Pairs of copies of one example, which resampling makes, are not counted as pairs.
    """
    _, rows = np.unique(clusters, return_inverse=True)
    _, columns = np.unique(classes, return_inverse=True)
    cells = rows * (columns.max() + 1) + columns

    def pairs(weights: Array, parts: NDArray[np.integer]) -> Array:
        onto = (parts[:, None] == np.arange(parts.max() + 1)).astype(np.float64)
        sums, squares = weights @ onto, weights**2 @ onto
        return ((sums**2 - squares) / 2).sum(axis=1)  # type: ignore[no-any-return]

    def statistic(weights: Array) -> Array:
        together = pairs(weights, cells)
        of_rows, of_columns = pairs(weights, rows), pairs(weights, columns)
        every = pairs(weights, np.zeros_like(rows))
        expected = of_rows * of_columns / np.where(every > 0, every, 1)
        most = (of_rows + of_columns) / 2
        room = most - expected
        found = (together - expected) / np.where(room != 0, room, 1)
        return np.where(room != 0, found, np.nan)

    return statistic


def k_means(vectors: Vectors, clusters: int, seed: int) -> Truth:
    """Return the cluster of each vector; the best of five starts."""
    model = KMeans(clusters, n_init=5, random_state=seed % 2**32)
    return np.asarray(model.fit_predict(vectors), dtype=np.int64)


def plane(vectors: Vectors) -> tuple[Array, tuple[float, float]]:
    """Return the first two principal components (examples, 2), and their shares of the variance.

    The sign of each is such that its largest value in size is positive.
    """
    model = PCA(2, svd_solver="covariance_eigh").fit(vectors)
    places = np.asarray(model.transform(vectors), dtype=np.float64)
    extreme = places[np.abs(places).argmax(axis=0), [0, 1]]
    first, second = model.explained_variance_ratio_.tolist()
    return places * np.where(extreme < 0, -1, 1), (first, second)
