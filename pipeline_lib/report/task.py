"""Figures of tasks: scores of all models, and calibration."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.scores import METRICS, families_of, headline, parts, read_task, rows
from pipeline_lib.report.style import COLOURS, GREY, LIGHT, NAMES, Outputs, canvas, publish

KINDS = {
    "upstream": "upstream of the start",
    "in_frame": "in the gene, in frame",
    "out_of_frame": "in the gene, out of frame",
    "intergenic": "between genes",
}
PANELS = 3
"""Most panels beside each other."""


def task_scores(*results: Path, outputs: Outputs) -> None:
    """Draw the headline metric with intervals, of all test examples and of each part of them.

    Parameters
    ----------
    *results
        ``{task}.json`` of each model and task.
    """
    read = [read_task(path) for path in results]
    frame = pd.DataFrame([row for values in read for row in rows(values)])
    names = list(dict.fromkeys(n for v in read for f in families_of(v) for n in parts(v, f)))
    columns = min(len(read), PANELS)
    lines = math.ceil(len(read) / columns)
    figure, axes = canvas(
        columns, lines, width=max(7.5, 4.6 * columns + 1), height=(0.75 * len(names) + 2.2) * lines
    )
    for axis, values in zip(axes, read, strict=False):
        _scores(axis, values, names)
    for axis in axes[len(read) :]:
        axis.set_visible(False)
    for place, axis in enumerate(axes[: len(read)]):
        if place % columns:
            axis.set_yticklabels([])
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9
    )
    publish(figure, frame, outputs, title="Task scores")


def calibration(scores: Path, *, outputs: Outputs) -> None:
    """Draw what is true of examples with a given prediction, for each family of runs.

    Parameters
    ----------
    scores
        ``{task}.json``.
    """
    values = read_task(scores)
    truth = "mean_truth" if values["kind"] == "numbers" else "share_positive"
    figure, (axis,) = canvas(width=5.6, height=5)
    table = []
    for family in families_of(values):
        bins = [item for item in values["scores"][family]["calibration"] if item["count"]]
        if not bins or family == "constant":
            continue
        sizes = np.sqrt([item["count"] for item in bins])
        mean = [item["mean_score"] for item in bins]
        share = [item[truth] for item in bins]
        axis.plot(mean, share, color=COLOURS[family], linewidth=1.5, label=NAMES[family])
        axis.scatter(mean, share, sizes / sizes.max() * 60, color=COLOURS[family])
        table += [{"family": NAMES[family], **item} for item in bins]
    _diagonal(axis, values, table, truth)
    axis.set(title="Calibration", **_calibration_labels(values))
    axis.legend(fontsize=9, loc="upper left")
    publish(figure, pd.DataFrame(table), outputs, title=f"Calibration of {values['model']}")


def _scores(axis: Axes, values: dict[str, Any], names: list[str]) -> None:
    metric = METRICS[values["headline"]]
    labels = ["all examples", *(KINDS.get(name, name) for name in names)]
    families = families_of(values)
    for shift, family in zip(np.linspace(-0.3, 0.3, len(families)), families, strict=True):
        found = [headline(values, family), *map(parts(values, family).get, names)]
        known = [(place, item) for place, item in enumerate(found) if item]
        points = np.array([item["value"] for _, item in known])
        errors = np.array([[i["value"] - i["low"], i["high"] - i["value"]] for _, i in known])
        axis.errorbar(
            points, np.array([place for place, _ in known]) + shift,
            xerr=errors.T.clip(0) if len(known) else None, fmt="o", markersize=5,
            color=COLOURS[family], capsize=2.5, label=NAMES[family],
        )  # fmt: skip
    if metric.chance is not None:
        axis.axvline(metric.chance, color=GREY, linewidth=1, linestyle="--", zorder=0)
    for border in range(len(labels) - 1):
        axis.axhline(border + 0.5, color=LIGHT, linewidth=0.6, zorder=0)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_xlabel(metric.axis, fontsize=10)
    axis.set_title(f"{values['model']}: {values['task']}")


def _diagonal(axis: Axes, values: dict[str, Any], table: list[dict[str, Any]], truth: str) -> None:
    ends = [0.0, 1.0]
    if values["kind"] == "numbers" and table:
        found = [item[name] for item in table for name in ("mean_score", truth)]
        ends = [min(found), max(found)]
    axis.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", zorder=0)


def _calibration_labels(values: dict[str, Any]) -> dict[str, str]:
    names = values["names"]
    if values["kind"] == "numbers":
        return {"xlabel": f"predicted {names[0]}", "ylabel": f"measured {names[0]}, mean"}
    if values["kind"] == "labels":
        return {"xlabel": "probability of a label", "ylabel": "share of labels present"}
    if len(names) == 2:
        return {"xlabel": f"probability of {names[1]}", "ylabel": f"share that is {names[1]}"}
    return {"xlabel": "probability of the class called", "ylabel": "share called right"}
