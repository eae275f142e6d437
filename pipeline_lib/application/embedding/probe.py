"""What vectors know of a label: cross-validated calls, beside those from counts of k-mers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from pipeline_lib.errors import InputError
from pipeline_lib.evaluation import clusters
from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.features import kmer_counts
from pipeline_lib.finetuning.examples import MIDDLE
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

K, FOLDS, FEWEST, MOST_CLASSES = 4, 5, 10, 50
SAMPLES, CONFIDENCE = 1_000, 0.95
Vectors = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """How well a label is read from vectors.

    Attributes
    ----------
    scores
        Columns what, metric, value, low, high, examples, classes and held_out.
    left_out
        Labels with too few sequences, and how many each has.
    """

    scores: pd.DataFrame
    left_out: dict[str, int]


def probe(table: pd.DataFrame, vectors: Vectors, label: str, seed: int = 0) -> Probe:
    """Measure how well a label is read from vectors, and from frequencies of 4-mers.

    Every sequence is called once, by models that have not seen its contig; where fewer than three
    contigs are known, its fold of a random five. Calls are the majority of the 10 nearest
    neighbours, and those of a logistic regression, whose penalty is chosen on another fold. What
    is told is the balanced accuracy; its interval is that of resampled contigs or sequences.

    Parameters
    ----------
    table
        Columns sequence, contig and the label.
    vectors
        Shape (sequences, width).

    Raises
    ------
    InputError
        If fewer than two labels have 10 sequences, or more than 50 do.
    """
    names = table[label].astype(str)
    counts = names.where(table[label].notna() & (names != "")).value_counts()
    kept = counts[counts >= FEWEST]
    if not 2 <= len(kept) <= MOST_CLASSES:
        raise InputError(
            f"column {label!r} has {len(kept)} values with at least {FEWEST} sequences",
            expected=f"2 to {MOST_CLASSES} of them",
            remedy="give a column of kinds in `--label`, or more sequences",
        )
    rows = names.isin(kept.index).to_numpy()
    part = table[rows].reset_index(drop=True)
    classes = np.unique(part[label].astype(str), return_inverse=True)[1].astype(np.int64)
    groups, folds, held_out = _folds(part, classes, seed)
    words = kmer_counts(part.assign(focus=MIDDLE), K).toarray().astype(np.float32)
    frequencies = words / np.maximum(words.sum(axis=1, keepdims=True), 1)
    found = []
    for what, values in (("embeddings", vectors[rows]), (f"{K}-mers", frequencies)):
        for metric, calls in _calls(values, classes, folds, what).items():
            statistic = clusters.balanced_accuracy(calls, classes)
            value = float(statistic(np.ones((1, len(calls))))[0])
            random = named_generator(seed, "embedding probe")
            samples = resample(statistic, groups, SAMPLES, random)
            row: dict[str, Any] = {"what": what, "metric": metric}
            row |= interval(value, samples, CONFIDENCE)
            found.append(row | {"examples": len(part), "classes": len(kept), "held_out": held_out})
    few = {str(name): int(count) for name, count in counts[counts < FEWEST].items()}
    return Probe(pd.DataFrame(found), few)


def _folds(table: pd.DataFrame, classes: Integers, seed: int) -> tuple[Integers, Integers, str]:
    """Return what is resampled together, the fold of each sequence, and what folds are of."""
    contigs, groups = np.unique(table["contig"].astype(str), return_inverse=True)
    known = int((contigs != "").sum())
    folds = np.zeros(len(table), dtype=np.int64)
    if known >= 3 and not (table["contig"] == "").any():
        splitter: Any = StratifiedGroupKFold(min(FOLDS, known), shuffle=True, random_state=seed)
        parts, what = splitter.split(classes, classes, groups), "contigs"
    else:
        groups, what = np.arange(len(table)), "sequences"
        splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        parts = splitter.split(classes, classes)
    for number, (_, test) in enumerate(parts):
        folds[test] = number
    return groups.astype(np.int64), folds, what


def _calls(
    vectors: Vectors, classes: Integers, folds: Integers, what: str
) -> dict[str, NDArray[np.int64]]:
    """Return the call of every sequence by models that have not seen its fold."""
    found = {name: np.zeros(len(classes), dtype=np.int64) for name in ("neighbours", "linear")}
    count = int(folds.max()) + 1
    for fold in progress(range(count), f"probe of {what}", unit="fold"):
        test, valid = folds == fold, folds == (fold + 1) % count
        fitted = ~test & ~valid
        scaled = Scaler.of(vectors[fitted]).apply(vectors)
        known = classes[fitted]
        found["neighbours"][test] = clusters.neighbour_calls(
            scaled[~test], classes[~test], scaled[test]
        )
        if len(np.unique(known)) < 2:
            found["linear"][test] = known[0]
            continue
        found["linear"][test] = clusters.linear_calls(
            scaled[fitted], known, scaled[valid], classes[valid], scaled[test]
        )
    return found
