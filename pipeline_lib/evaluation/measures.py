"""What is measured for each kind of target, and which of it is the headline.

Metrics are named by a path, such as ``("auroc",)`` or ``("by_group", "DHS", "median_auroc")``:
the places at which they stand in the results.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation import metrics, metrics_classes, metrics_numbers
from pipeline_lib.finetuning.examples import Target

Array = NDArray[np.float64]
Floats = NDArray[np.floating]
Found = dict[tuple[str, ...], Array]
Bins = list[dict[str, float | int]]

# Comparisons (label, example, resampling) behind the intervals of one run: 10 to 20 seconds.
_LABEL_WORK = 10_000_000_000
FEWEST_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of one run for some examples, beside the truth.

    Attributes
    ----------
    truth
        Targets; shape (examples, width of the target).
    scores
        Predictions; shape (examples, outputs of the target).
    cut
        Of two classes: a probability of the second at or above it is called the second.
    """

    truth: Floats
    scores: Floats
    cut: float = 0.5

    def part(self, rows: NDArray[np.bool_]) -> "Predicted":
        """Return some of the examples."""
        return Predicted(self.truth[rows], self.scores[rows], self.cut)


Measure = Callable[[Predicted, NDArray[Any] | None], Found]


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured for a kind of target.

    Attributes
    ----------
    headline
        The metric by which models are compared.
    every
        Returns all metrics, for weights of shape (samples, examples) or for none.
    main
        Returns the headline alone.
    calibration
        Returns predictions in bins, beside what is true in them.
    whole_numbers
        Whether ``every`` and ``main`` take the weights of all resamplings at once, as integers.
    """

    headline: str
    every: Measure
    main: Measure
    calibration: Callable[[Predicted], Bins]
    whole_numbers: bool = False

    def samples(self, target: Target, examples: int, wanted: int) -> int:
        """Return how many resamplings are made: fewer for hundreds of labels of many examples."""
        if not self.whole_numbers:
            return wanted
        affordable = _LABEL_WORK // max(1, examples * target.outputs)
        return min(wanted, max(FEWEST_SAMPLES, affordable))


def measures_of(target: Target) -> Measures:
    """Return what is measured for a target."""
    if target.kind == "class" and len(target.names) == 2:
        return Measures("auroc", _two_classes, _auroc, _two_calibration)
    if target.kind == "class":
        return Measures("mcc", _classes, _class_mcc, _top_calibration)
    if target.kind == "labels":
        return Measures(
            "median_auroc", _labels_in(target), _labels_in(None), _label_calibration, True
        )
    return Measures("pearson", _numbers_of(target), _pearson, _number_calibration)


def _two_classes(found: Predicted, weights: NDArray[Any] | None) -> Found:
    labels, scores = _labels(found), _second(found)
    called = scores >= found.cut
    ranked: Found = {(m,): f(labels, scores, weights) for m, f in metrics.RANKED.items()}
    return ranked | {(m,): f(labels, called, weights) for m, f in metrics.DECIDED.items()}


def _auroc(found: Predicted, weights: NDArray[Any] | None) -> Found:
    return {("auroc",): metrics.auroc(_labels(found), _second(found), weights)}


def _two_calibration(found: Predicted) -> Bins:
    return metrics.calibration(_labels(found), _second(found))


def _classes(found: Predicted, weights: NDArray[Any] | None) -> Found:
    truth, scores = _labels(found), found.scores.astype(np.float64)
    table = metrics_classes.confusion(truth, scores, weights)
    decided: Found = {(m,): f(table) for m, f in metrics_classes.DECIDED.items()}
    return decided | {("macro_auroc",): metrics_classes.macro_auroc(truth, scores, weights)}


def _class_mcc(found: Predicted, weights: NDArray[Any] | None) -> Found:
    table = metrics_classes.confusion(_labels(found), found.scores.astype(np.float64), weights)
    return {("mcc",): metrics_classes.mcc(table)}


def _top_calibration(found: Predicted) -> Bins:
    return metrics_classes.top_calibration(_labels(found), found.scores.astype(np.float64))


def _labels_in(target: Target | None) -> Measure:
    """Return a measure of several labels: the median over all, and over each group if given."""

    def measure(found: Predicted, weights: NDArray[Any] | None) -> Found:
        from pipeline_lib.evaluation.metrics_labels import label_areas, medians

        areas = label_areas(found.truth, found.scores, weights)
        parts: dict[tuple[str, ...], tuple[int, ...] | None] = {(): None}
        if target is not None:
            parts |= {("by_group", name): labels for name, labels in target.groups.items()}
        result: Found = {}
        for place, labels in parts.items():
            both = medians(areas, labels)
            result[(*place, "median_auroc")] = both[:, 0]
            if target is not None:
                result[(*place, "median_auprc")] = both[:, 1]
        return result

    return measure


def _label_calibration(found: Predicted) -> Bins:
    from pipeline_lib.evaluation.metrics_labels import label_calibration

    return label_calibration(found.truth, found.scores)


def _numbers_of(target: Target) -> Measure:
    """Return a measure of numbers: of the first, and of several the means and each apart."""

    def measure(found: Predicted, weights: NDArray[Any] | None) -> Found:
        each = [
            {m: f(*_column(found, index), weights) for m, f in metrics_numbers.NUMBERS.items()}
            for index in range(target.outputs)
        ]
        result: Found = {(metric,): values for metric, values in each[0].items()}
        if len(each) > 1:
            for metric in metrics_numbers.NUMBERS:
                table = np.stack([values[metric] for values in each], axis=1)
                result[f"mean_{metric}",] = metrics.mean_of_known(table)
            for name, values in zip(target.names, each, strict=True):
                result |= {("by_name", name, metric): found for metric, found in values.items()}
        return result

    return measure


def _pearson(found: Predicted, weights: NDArray[Any] | None) -> Found:
    return {("pearson",): metrics_numbers.pearson(*_column(found, 0), weights)}


def _number_calibration(found: Predicted) -> Bins:
    return metrics_numbers.number_calibration(*_column(found, 0))


def _labels(found: Predicted) -> NDArray[np.int64]:
    return found.truth[:, 0].astype(np.int64)


def _second(found: Predicted) -> Array:
    return found.scores[:, 1].astype(np.float64)


def _column(found: Predicted, index: int) -> tuple[Array, Array]:
    return found.truth[:, index].astype(np.float64), found.scores[:, index].astype(np.float64)
