"""k-mer regression of every bin along the sequence: logistic for bases, Poisson for tracks.

Bins are many and classes rare: the regression sees a sample of the training bins, in which all
classes are about as frequent, each with the weight of the bins that it stands for.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import reached
from pipeline_lib.evaluation.features_dense import bin_features, dense_constant
from pipeline_lib.evaluation.measures import measures_of
from pipeline_lib.finetuning.examples import Examples, Target
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

MOST_ROWS = 20_000
"""Most training bins."""
MOST_K = 3
"""Longest k-mers: those near a base are seen as they are."""
INVERSE_PENALTIES = (0.1, 0.001)
PENALTIES = (10.0, 1_000.0)
SMALLEST = 0.01
"""Least that is predicted of a track, as a share of its mean."""

Floats = NDArray[np.float32]


def fit_dense_kmers(
    examples: Examples, settings: EvaluationConfig, *, seed: int
) -> tuple[Floats, dict[str, Any]]:
    """Fit regressions, and predict with the one that is best on the validation examples.

    Returns
    -------
    scores
        Of all examples, 0 for those of training; (examples, outputs).
    about
        k and penalty that were chosen, and what each reached.
    """
    target = examples.target
    k = min(max(settings.baseline_kmers), MOST_K)
    rows, truth, weights = _sampled(examples, k, seed)
    middle, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1
    rows -= middle
    rows /= spread
    valid = (examples.table["split"] == "valid").to_numpy()
    models = [
        _classes(rows, truth, weights, penalty, seed)
        if target.kind == "bases"
        else Ridge(alpha=penalty).fit(rows, truth)
        for penalty in (INVERSE_PENALTIES if target.kind == "bases" else PENALTIES)
    ]
    name = "C" if target.kind == "bases" else "alpha"
    metric = f"valid_{measures_of(target).headline}"
    lowest = SMALLEST * dense_constant(examples.of("train"))
    scores = np.zeros((len(examples), target.outputs), dtype=np.float32)
    best, chosen, tried = -np.inf, 0, []
    for index, model in enumerate(models):
        _predict(model, examples, np.flatnonzero(valid), k, (middle, spread), lowest, scores)
        value = reached(examples, scores)
        penalty = model.C if target.kind == "bases" else model.alpha
        tried.append({"k": k, name: penalty, metric: value if np.isfinite(value) else None})
        if value > best:
            best, chosen = value, index
    held = np.flatnonzero((examples.table["split"] != "train").to_numpy())
    _predict(models[chosen], examples, held, k, (middle, spread), lowest, scores)
    return scores, {"chosen": tried[chosen], "trials": tried, "training_bins": len(rows)}


def _sampled(
    examples: Examples, k: int, seed: int
) -> tuple[Floats, NDArray[Any], NDArray[np.float64]]:
    """Return features, targets and weights of some training bins."""
    train, target = examples.of("train"), examples.target
    truth = train.targets().reshape(len(train), target.units, -1)
    generator = named_generator(seed, "dense k-mers")
    known = np.flatnonzero(~np.isnan(truth).any(axis=2).ravel())
    flat = truth.reshape(-1, truth.shape[2])
    strata = [known]
    if target.kind == "bases":
        strata = [known[flat[known, 0] == number] for number in range(len(target.names))]
    most = MOST_ROWS // len(strata)
    chosen, weights = [], []
    for places in strata:
        drawn = generator.choice(places, min(most, len(places)), replace=False)
        chosen.append(drawn)
        weights.append(np.full(len(drawn), len(places) / max(len(drawn), 1)))
    places, each = np.concatenate(chosen), np.concatenate(weights)
    order = np.argsort(places)
    places, each = places[order], each[order]
    parts = []
    texts = train.table["sequence"].to_list()
    found, first = np.unique(places // target.units, return_index=True)
    for row, own in zip(found, np.split(places, first[1:]), strict=True):
        parts.append(bin_features(texts[row], target, k)[own % target.units])
    values = flat[places]
    return np.concatenate(parts), values[:, 0] if target.kind == "bases" else values, each


def _classes(
    rows: Floats, truth: Floats, weights: NDArray[np.float64], penalty: float, seed: int
) -> LogisticRegression:
    model = LogisticRegression(C=penalty, max_iter=60, tol=1e-3, random_state=seed)
    with warnings.catch_warnings():
        # A fit that is nearly done is a baseline too, and chosen by what it reaches on valid.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, truth.astype(np.int64), sample_weight=weights / weights.mean())
    return model


def _predict(
    model: Any,
    examples: Examples,
    rows: NDArray[np.intp],
    k: int,
    scaling: tuple[Floats, Floats],
    lowest: NDArray[np.float64],
    scores: Floats,
) -> None:
    """Fill in the scores of some examples, one example at a time."""
    target = examples.target
    texts = examples.table["sequence"].to_list()
    for row in progress(rows, "k-mer regression", unit="sequence"):
        seen = (bin_features(texts[row], target, k) - scaling[0]) / scaling[1]
        scores[row] = _scores(model, seen, target, lowest).ravel()


def _scores(model: Any, seen: Floats, target: Target, lowest: NDArray[np.float64]) -> Floats:
    if target.kind == "tracks":
        found = np.asarray(model.predict(seen)).reshape(target.units, -1)
        return np.asarray(np.maximum(found, lowest), dtype=np.float32)
    found = np.zeros((target.units, len(target.names)), dtype=np.float32)
    found[:, model.classes_] = model.predict_proba(seen)
    return found
