"""What is kept for the report of predictions along the sequence, of which there are millions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.metrics_bases import BaseScores
from pipeline_lib.finetuning.examples import Target

RECALLS = np.linspace(0, 1, 101)
MOST_SHOWN = 5_000
"""Numbers of tracks that are kept, evenly spread over all that are known."""

Floats = NDArray[np.floating]


def shown_columns(target: Target, truth: Floats) -> dict[str, Any]:
    """Return the columns beside those of runs: class and recall, or track and target."""
    if target.kind == "bases":
        names = np.repeat(target.names[1:], len(RECALLS))
        return {"class": names, "recall": np.tile(RECALLS, len(target.names) - 1)}
    places = _chosen(truth)
    names = np.array(target.names)[places % len(target.names)]
    return {"track": names, "target": truth.ravel()[places]}


def shown(target: Target, truth: Floats, scores: Floats) -> Floats:
    """Return the column of a run: precision of each class by recall, or predicted numbers."""
    if target.kind == "tracks":
        return scores.ravel()[_chosen(truth)]
    found = BaseScores(truth, scores)
    curves = [found.of(number).curve() for number in range(1, len(target.names))]
    return np.concatenate([_at_recalls(recall, precision) for recall, precision in curves])


def dense_counts(target: Target, truth: Floats) -> dict[str, Any]:
    """Return how many test bases there are of each class, or known numbers of all tracks."""
    known = truth[~np.isnan(truth)]
    if target.kind == "tracks":
        return {"test_numbers": len(known)}
    counts = np.bincount(known.astype(np.int64), minlength=len(target.names))
    return {"test_bases": dict(zip(target.names, counts.tolist(), strict=True))}


def _at_recalls(recall: Floats, precision: Floats) -> Floats:
    if not len(recall):
        return np.full(len(RECALLS), np.nan)
    return np.interp(RECALLS, recall, precision)


def _chosen(truth: Floats) -> NDArray[np.intp]:
    places: NDArray[np.intp] = np.flatnonzero(~np.isnan(truth))
    if len(places) <= MOST_SHOWN:
        return places
    chosen = np.linspace(0, len(places) - 1, MOST_SHOWN).round().astype(int)
    return np.asarray(places[chosen], dtype=np.intp)
