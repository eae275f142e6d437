"""Scores of tasks as the report shows them: names of metrics, and tables of results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import NAMES

FAMILIES = tuple(NAMES)
"""Families of runs in the order in which they are shown."""

Found = dict[str, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is written, and where it begins.

    Attributes
    ----------
    label
        Name for people.
    chance
        Value of a guess; None where it depends on the examples.
    best
        Value of a perfect prediction.
    """

    label: str
    chance: float | None = None
    best: float = 1.0

    @property
    def axis(self) -> str:
        """Label of an axis."""
        ends = [] if self.chance is None else [f"{self.chance:g}: chance"]
        return f"{self.label} on test examples ({', '.join([*ends, f'{self.best:g}: perfect'])})"


METRICS = {
    "auroc": Metric("AUROC", 0.5),
    "auprc": Metric("AUPRC"),
    "mcc": Metric("MCC", 0.0),
    "f1": Metric("F1"),
    "accuracy": Metric("Accuracy"),
    "brier": Metric("Brier", best=0.0),
    "ece": Metric("ECE", best=0.0),
    "balanced_accuracy": Metric("Balanced accuracy"),
    "macro_f1": Metric("Macro F1"),
    "macro_auroc": Metric("Macro AUROC", 0.5),
    "median_auroc": Metric("Median AUROC", 0.5),
    "median_auprc": Metric("Median AUPRC"),
    "pearson": Metric("Pearson r", 0.0),
    "spearman": Metric("Spearman r", 0.0),
    "r2": Metric("R²", 0.0),
    "rmse": Metric("RMSE", best=0.0),
    "mean_pearson": Metric("Mean Pearson r", 0.0),
    "mean_spearman": Metric("Mean Spearman r", 0.0),
    "mean_r2": Metric("Mean R²", 0.0),
    "mean_rmse": Metric("Mean RMSE", best=0.0),
}
PARTS = ("by_kind", "by_group", "by_name")


def read_task(path: Path) -> dict[str, Any]:
    """Read the results of a model on a task.

    Raises
    ------
    InputError
        If the file is not one of results.
    """
    needed = ("model", "task", "kind", "names", "protocol", "headline", "leak", "scores")
    return read_result(path, *needed, "seen_in_pretraining")


def families_of(values: dict[str, Any]) -> list[str]:
    """Return the families of a result in the order in which they are shown."""
    return [family for family in FAMILIES if family in values["scores"]]


def headline(values: dict[str, Any], family: str) -> Found | None:
    """Return the headline metric of a family with its interval; None where it is not defined."""
    found: Found = values["scores"][family][values["headline"]]
    return found if found["value"] is not None else None


def parts(values: dict[str, Any], family: str) -> dict[str, Found]:
    """Return the headline metric of each part of the examples, labels or numbers."""
    scores = values["scores"][family]
    return {
        name: found[values["headline"]]
        for part in PARTS
        for name, found in scores.get(part, {}).items()
        if found.get(values["headline"], {}).get("value") is not None
    }


def rows(values: dict[str, Any]) -> Iterator[dict[str, object]]:
    """Yield all scores of a result, one row each, for a table."""
    for family in families_of(values):
        scores = values["scores"][family]
        for metric in METRICS:
            if metric in scores:
                yield _row(values, family, metric, "all", scores[metric])
        for part in PARTS:
            for name, found in scores.get(part, {}).items():
                for metric in found:
                    yield _row(values, family, metric, name, found[metric])


def _row(
    values: dict[str, Any], family: str, metric: str, part: str, found: Found
) -> dict[str, object]:
    limits = {key: float("nan") if found[key] is None else found[key] for key in found}
    return {
        "model": values["model"],
        "task": values["task"],
        "what": NAMES[family],
        "metric": METRICS[metric].label,
        "examples": part,
        **limits,
    }
