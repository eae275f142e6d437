"""Scores of a family of runs: means over runs, with intervals of the mean.

Runs of a family differ by their seed alone. All families, models and metrics are resampled
alike, so that intervals compare like with like.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation import metrics_classes
from pipeline_lib.evaluation.bootstrap import counts, interval, resample
from pipeline_lib.evaluation.measures import (
    Bins,
    Found,
    Measure,
    Measures,
    Predicted,
    measures_of,
)
from pipeline_lib.finetuning.examples import Examples, Target
from pipeline_lib.randomness import named_generator

MOST_KINDS = 30

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]


class Family:
    """Collects the scores of runs, one run at a time.

    Parameters
    ----------
    test
        Examples of the test split.
    settings
        Resamplings and confidence.
    seed
        Seed of the resampling.
    """

    def __init__(self, test: Examples, settings: EvaluationConfig, *, seed: int) -> None:
        self.target, self.settings, self.seed = test.target, settings, seed
        self.groups = test.table["group"].to_numpy()
        self.measures = measures_of(test.target)
        self.kinds = dict(kind_rows(test))
        self._all: list[tuple[Found, Array]] = []
        self._kinds: dict[str, list[tuple[Found, Array]]] = {kind: [] for kind in self.kinds}
        self._bins: list[Bins] = []
        self._confusion: list[Array] = []

    def add(self, found: Predicted) -> None:
        """Measure one run on all test examples and on each kind of them."""
        self._all.append(self._measured(self.measures.every, found, self.groups))
        for kind, rows in self.kinds.items():
            part = self._measured(self.measures.main, found.part(rows), self.groups[rows])
            self._kinds[kind].append(part)
        self._bins.append(self.measures.calibration(found))
        if self.target.kind == "class" and len(self.target.names) > 2:
            truth = found.truth[:, 0].astype(np.int64)
            self._confusion.append(metrics_classes.confusion(truth, found.scores.astype(float))[0])

    def result(self) -> dict[str, Any]:
        """Return all scores of the family, for JSON; what is not defined is None."""
        summaries = nested(self._intervals(self._all))
        points = [found for found, _ in self._all]
        per_seed = {
            key[0]: [_plain(float(found[key][0])) for found in points]
            for key in points[0]
            if len(key) == 1
        }
        by_kind = {kind: nested(self._intervals(parts)) for kind, parts in self._kinds.items()}
        result = {**summaries, "per_seed": per_seed, "by_kind": by_kind}
        result["calibration"] = pooled(self._bins)
        if self._confusion:
            result["confusion"] = np.mean(self._confusion, axis=0).tolist()
        return result

    def _measured(
        self, measure: Measure, found: Predicted, groups: NDArray[np.int64]
    ) -> tuple[Found, Array]:
        """Return the metrics, and those of every resampling; shape (samples, metrics)."""
        samples = resamplings(self.measures, self.target, len(groups), self.settings)
        generator = named_generator(self.seed, "task")
        points = measure(found, None)

        def table(weights: NDArray[Any]) -> Array:
            return np.stack(list(measure(found, weights).values()), axis=1)

        if self.measures.whole_numbers:
            return points, table(counts(groups, samples, generator))
        return points, resample(table, groups, samples, generator)

    def _intervals(
        self, parts: list[tuple[Found, Array]]
    ) -> dict[tuple[str, ...], dict[str, float | None]]:
        samples = np.mean([part for _, part in parts], axis=0)
        result = {}
        for index, key in enumerate(parts[0][0]):
            value = float(np.mean([found[key][0] for found, _ in parts]))
            limits = interval(value, samples[:, index], self.settings.confidence)
            result[key] = {name: _plain(number) for name, number in limits.items()}
        return result


def resamplings(
    measures: Measures, target: Target, examples: int, settings: EvaluationConfig
) -> int:
    """Return how many resamplings stand behind an interval."""
    return measures.samples(target, examples, settings.bootstrap_samples)


def kind_rows(test: Examples) -> Iterator[tuple[str, Rows]]:
    """Yield the kinds of examples, each with the examples that it is scored on.

    A kind whose examples are all of one class, such as one sort of decoys, is held against the
    examples of the other classes. A kind that makes this all examples is left out.
    """
    kinds = test.table["kind"].to_numpy()
    named = Counter(kinds[kinds != ""].tolist()).most_common(MOST_KINDS)
    truth = test.targets()
    for kind in sorted(name for name, _ in named):
        rows = kinds == kind
        if test.target.kind == "class":
            classes = truth[:, 0]
            if len(present := np.unique(classes[rows])) == 1:
                rows = rows | (classes != present[0])
                if len(np.unique(classes[rows])) == 1:
                    continue
        if not rows.all():
            yield kind, rows


def pooled(runs: list[Bins]) -> Bins:
    """Return the calibration of several runs together, from that of each."""
    together: dict[float, list[dict[str, float | int]]] = {}
    for bins in runs:
        for place, item in enumerate(bins):
            # Bins of probabilities lie at the same places in all runs; tenths are numbered.
            key = float(place) if "mean_truth" in item else item["low"]
            together.setdefault(key, []).append(item)
    result: Bins = []
    for _, items in sorted(together.items()):
        sizes = [item["count"] for item in items]
        merged: dict[str, float | int] = {
            "low": min(item["low"] for item in items),
            "high": max(item["high"] for item in items),
        }
        for name in items[0].keys() - {"low", "high", "count"}:
            merged[name] = float(np.average([item[name] for item in items], weights=sizes))
        order = [name for name in items[0] if name != "count"]
        result.append({name: merged[name] for name in order} | {"count": int(sum(sizes))})
    return result


def nested(flat: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return values by path as dictionaries within dictionaries."""
    result: dict[str, Any] = {}
    for path, value in flat.items():
        place = result
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    return result


def _plain(value: float) -> float | None:
    """Return a number as JSON has it: NaN is null."""
    return None if np.isnan(value) else float(value)
