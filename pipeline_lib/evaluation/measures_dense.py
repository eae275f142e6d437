"""What is measured of targets along the sequence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation import metrics_classes
from pipeline_lib.evaluation.measures import Bins, Found, Measures, Predicted
from pipeline_lib.evaluation.metrics import mean_of_known
from pipeline_lib.evaluation.metrics_bases import BaseScores
from pipeline_lib.evaluation.metrics_numbers import number_calibration
from pipeline_lib.evaluation.metrics_tracks import TrackScores
from pipeline_lib.finetuning.examples import Target

MOST_NAMED = 40
"""Most tracks that are scored one by one too."""
MOST_BINNED = 1_000_000
"""Most bases or numbers that the calibration is made of, evenly spread."""


def dense_measures(target: Target) -> Measures:
    """Return what is measured of bases or tracks; see :func:`measures.measures_of`."""
    if target.kind == "bases":
        bases = _Bases(target)
        return Measures("auprc", bases.every, bases.main, _base_calibration)
    tracks = _Tracks(target)
    return Measures("pearson", tracks.every, tracks.main, _track_calibration)


class _Bases:
    """Measures of classes of bases; what was counted last is kept."""

    def __init__(self, target: Target) -> None:
        self._names = target.names
        self._last: tuple[Predicted, BaseScores] | None = None

    def every(self, found: Predicted, weights: NDArray[Any] | None) -> Found:
        scores = self._counted(found)
        table = scores.confusion(weights)
        areas = [scores.of(c).auprc(weights) for c in range(len(self._names))]
        hits = [scores.of(c).top_k(weights) for c in range(1, len(self._names))]
        result: Found = {
            ("auprc",): mean_of_known(np.stack(areas[1:], axis=1)),
            ("top_k",): mean_of_known(np.stack(hits, axis=1)),
        }
        result |= {(m,): metrics_classes.DECIDED[m](table) for m in ("macro_f1", "mcc")}
        for number, name in enumerate(self._names):
            result["by_name", name, "auprc"] = areas[number]
            if number:
                result["by_name", name, "top_k"] = hits[number - 1]
        return result

    def main(self, found: Predicted, weights: NDArray[Any] | None) -> Found:
        scores = self._counted(found)
        areas = [scores.of(c).auprc(weights) for c in range(1, len(self._names))]
        return {("auprc",): mean_of_known(np.stack(areas, axis=1))}

    def _counted(self, found: Predicted) -> BaseScores:
        if self._last is None or self._last[0] is not found:
            self._last = found, BaseScores(found.truth, found.scores)
        return self._last[1]


class _Tracks:
    """Measures of tracks; what was counted last is kept."""

    def __init__(self, target: Target) -> None:
        self._names = target.names
        self._last: tuple[Predicted, TrackScores] | None = None

    def every(self, found: Predicted, weights: NDArray[Any] | None) -> Found:
        each = self._counted(found).measure(weights)
        result: Found = {(m,): mean_of_known(values) for m, values in each.items()}
        if 1 < len(self._names) <= MOST_NAMED:
            for number, name in enumerate(self._names):
                result |= {("by_name", name, m): each[m][:, number] for m in each}
        return result

    def main(self, found: Predicted, weights: NDArray[Any] | None) -> Found:
        return {("pearson",): mean_of_known(self._counted(found).measure(weights)["pearson"])}

    def _counted(self, found: Predicted) -> TrackScores:
        if self._last is None or self._last[0] is not found:
            counted = TrackScores(found.truth, found.scores, len(self._names))
            self._last = found, counted
        return self._last[1]


def _base_calibration(found: Predicted) -> Bins:
    classes = found.scores.shape[1] // found.truth.shape[1]
    places = _spread(~np.isnan(found.truth))
    scores = found.scores.reshape(-1, classes)[places].astype(np.float64)
    return metrics_classes.top_calibration(found.truth.ravel()[places].astype(np.int64), scores)


def _track_calibration(found: Predicted) -> Bins:
    places = _spread(~np.isnan(found.truth))
    truth, scores = (v.ravel()[places].astype(np.float64) for v in (found.truth, found.scores))
    return number_calibration(truth, scores)


def _spread(known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the places of what is known, thinned out evenly where there is too much."""
    places = np.flatnonzero(known)
    return places[:: max(1, -(-len(places) // MOST_BINNED))]
