"""Figures of what a model predicts for a task, one for each kind of target."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline_lib.report.scores import METRICS, families_of, read_task
from pipeline_lib.report.style import COLOURS, GREY, LIGHT, NAMES, Outputs, canvas, publish

MOST_POINTS = 1_500
MOST_NAMED = 40
"""Most classes or groups whose names are written."""


def task_predictions(scores: Path, predictions: Path, *, outputs: Outputs) -> None:
    """Draw predictions for the test examples, the mean over seeds, beside the truth.

    ROC and precision-recall curves of two classes, confusions of several, scores of every label,
    or measured against predicted numbers.

    Parameters
    ----------
    scores
        ``{task}.json``.
    predictions
        ``{task}.parquet``.
    """
    values, table = read_task(scores), pd.read_parquet(predictions)
    if values["kind"] == "labels":
        _labels(values, table, outputs)
        return
    table = table[table["split"] == "test"]
    if values["kind"] == "numbers":
        _numbers(values, table, outputs)
    elif len(values["names"]) > 2:
        _confusion(values, outputs)
    else:
        _roc_pr(values, table, outputs)


def _roc_pr(values: dict[str, Any], table: pd.DataFrame, outputs: Outputs) -> None:
    labels = table["label"].to_numpy()
    grid = np.linspace(0, 1, 201)
    figure, (left, right) = canvas(2, width=9.5, height=4.6)
    frame = pd.DataFrame({"false positive rate or recall": grid})
    for family in _drawn(values):
        true_rates, precisions = [], []
        for run in _runs(table, family):
            wrong, right_calls, _ = roc_curve(labels, table[run])
            true_rates.append(np.interp(grid, wrong, right_calls))
            precision, recall, _ = precision_recall_curve(labels, table[run])
            precisions.append(np.interp(grid, recall[::-1], precision[::-1]))
        rate, precision = np.mean(true_rates, axis=0), np.mean(precisions, axis=0)
        left.plot(grid, rate, color=COLOURS[family], label=_label(values, family, "auroc"))
        right.plot(grid, precision, color=COLOURS[family], label=_label(values, family, "auprc"))
        frame[f"true positive rate, {NAMES[family]}"] = rate
        frame[f"precision, {NAMES[family]}"] = precision
    left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    right.axhline(labels.mean(), color=GREY, linewidth=1, linestyle="--")
    right.text(0.0, labels.mean(), " chance", va="bottom", color=GREY, fontsize=9)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    right.set_ylim(0, 1.02)
    for axis in (left, right):
        axis.legend(fontsize=9, loc="lower right" if axis is left else "best")
    publish(figure, frame, outputs, title=f"ROC and PR of {values['model']} on {values['task']}")


def _confusion(values: dict[str, Any], outputs: Outputs) -> None:
    """Draw which class was called what, and how much of each class was found."""
    names, places = values["names"], np.arange(len(values["names"]))
    counts = np.array(values["scores"]["pretrained"]["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.4, 0.42 * min(len(names), MOST_NAMED) + 1.6)
    figure, (left, right) = canvas(2, width=2 * size + 1.6, height=size + 0.6)
    left.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    if len(names) <= 12:
        for row in range(len(names)):
            for column in range(len(names)):
                colour = "white" if shares[row, column] > 0.55 else "#333333"
                left.text(
                    column, row, f"{shares[row, column]:.2f}", ha="center", va="center",
                    color=colour, fontsize=9,
                )  # fmt: skip
    if len(names) <= MOST_NAMED:
        left.set_xticks(places, names)
        if max(map(len, names)) > 3:
            left.tick_params(axis="x", rotation=45)
        left.set_yticks(places, names)
        right.set_yticks(places, [])
    left.set(xlabel="called", ylabel="is", title=f"{values['model']}, share of each class")
    frame = pd.DataFrame(counts, columns=[f"called {name}" for name in names])
    frame.insert(0, "is", names)
    families = _drawn(values)
    for shift, family in zip(np.linspace(-0.25, 0.25, len(families)), families, strict=True):
        table = np.array(values["scores"][family]["confusion"])
        recall = np.diag(table) / np.maximum(table.sum(axis=1), 1)
        right.plot(recall, places + shift, "o", color=COLOURS[family], label=NAMES[family])
        frame[f"found by {NAMES[family]}"] = recall
    for border in places[:-1]:
        right.axhline(border + 0.5, color=LIGHT, linewidth=0.6, zorder=0)
    right.set(xlabel="share of the class that was found", xlim=(-0.02, 1.02), title="Recall")
    right.set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        *right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9
    )
    publish(figure, frame, outputs, title=f"Classes of {values['task']} by {values['model']}")


def _numbers(values: dict[str, Any], table: pd.DataFrame, outputs: Outputs) -> None:
    """Draw measured against predicted values of the first number, a panel for each family."""
    name, families = values["names"][0], _drawn(values)
    truth = np.stack(table["target"].to_list())[:, 0]
    known = ~np.isnan(truth)
    frame = pd.DataFrame({f"measured {name}": truth[known]})
    for family in families:
        runs = [np.stack(table[run].to_list())[known, 0] for run in _runs(table, family)]
        frame[f"predicted by {NAMES[family]}"] = np.mean(runs, axis=0)
    shown = frame.iloc[np.linspace(0, len(frame) - 1, min(len(frame), MOST_POINTS)).astype(int)]
    figure, axes = canvas(len(families), width=3.1 * len(families) + 0.6, height=3.7)
    ends = [float(shown[f"measured {name}"].min()), float(shown[f"measured {name}"].max())]
    for axis, family in zip(axes, families, strict=True):
        axis.scatter(
            shown[f"predicted by {NAMES[family]}"], shown[f"measured {name}"], 7, alpha=0.45,
            color=COLOURS[family], linewidths=0,
        )  # fmt: skip
        axis.plot(ends, ends, color=GREY, linewidth=1, linestyle="--")
        axis.set_title(f"{NAMES[family]}\n{_score(values, family, 'pearson')}", fontsize=10)
        axis.set_xlabel(f"predicted {name}")
    axes[0].set_ylabel(f"measured {name}")
    publish(figure, frame, outputs, title=f"{name} of {values['task']} by {values['model']}")


def _labels(values: dict[str, Any], table: pd.DataFrame, outputs: Outputs) -> None:
    """Draw how well labels are told, for each family, and label by label beside a baseline."""
    families = _drawn(values)
    frame = table[["label", "group", "positives", "negatives"]].copy()
    for family in families:
        columns = [f"auroc {run}" for run in _runs(table, family, "auroc ")]
        frame[f"AUROC, {NAMES[family]}"] = table[columns].mean(axis=1)
    figure, (left, right) = canvas(2, width=10, height=4.6)
    low = _low(frame[[f"AUROC, {NAMES[f]}" for f in families]])
    bins = np.linspace(low, 1, 41)
    for family in families:
        found = frame[f"AUROC, {NAMES[family]}"].dropna()
        left.hist(
            found, bins.tolist(), histtype="step", linewidth=1.8, color=COLOURS[family],
            label=f"{NAMES[family]}: median {_number(values, family, 'median_auroc')}",
        )  # fmt: skip
    left.set(xlabel="AUROC of a label", ylabel="labels", title="Labels by AUROC")
    left.set_ylim(top=left.get_ylim()[1] * 1.35)
    left.legend(fontsize=9, loc="upper left")
    others = [f for f in families if f not in ("pretrained", "scratch")]
    other = max(others or families, key=lambda f: frame[f"AUROC, {NAMES[f]}"].median())
    _against(right, frame, NAMES[other])
    publish(figure, frame, outputs, title=f"Labels of {values['task']} by {values['model']}")


def _against(axis: Axes, frame: pd.DataFrame, other: str) -> None:
    """Draw every label: a baseline to the right, the pretrained model upwards."""
    x, y = f"AUROC, {other}", f"AUROC, {NAMES['pretrained']}"
    groups = list(dict.fromkeys(frame["group"]))
    for colour, group in zip(_palette(len(groups)), groups, strict=True):
        part = frame[frame["group"] == group]
        axis.scatter(part[x], part[y], 12, alpha=0.6, color=colour, linewidths=0, label=group)
    ends = [_low(frame[[x, y]]), 1]
    axis.plot(ends, ends, color=GREY, linewidth=1, linestyle="--", zorder=0)
    better = float((frame[y] > frame[x])[frame[x].notna() & frame[y].notna()].mean())
    axis.set(xlabel=x, ylabel=y, title=f"Better than the baseline: {better:.0%} of labels")
    if len(groups) > 1:
        axis.legend(fontsize=9, loc="lower right", markerscale=1.5)


def _palette(count: int) -> list[str]:
    colours = [*dict.fromkeys(COLOURS.values())]
    return [colours[index % len(colours)] for index in range(count)]


def _drawn(values: dict[str, Any]) -> list[str]:
    """Return the families whose predictions differ between examples."""
    return [family for family in families_of(values) if family != "constant"]


def _runs(table: pd.DataFrame, family: str, prefix: str = "") -> list[str]:
    """Return the names of the runs of a family among columns that begin with a prefix."""
    names = [str(name)[len(prefix) :] for name in table.columns if str(name).startswith(prefix)]
    return [name for name in names if name.rpartition("-")[0] == family or name == family]


def _low(areas: pd.DataFrame) -> float:
    """Return where an axis of areas begins: a twentieth below the lowest."""
    known = areas.to_numpy()[areas.notna().to_numpy()]
    return min(0.95, float(np.floor(known.min(initial=1.0) * 20) / 20))


def _score(values: dict[str, Any], family: str, metric: str) -> str:
    return f"{METRICS[metric].label} {_number(values, family, metric)}"


def _label(values: dict[str, Any], family: str, metric: str) -> str:
    return f"{NAMES[family]}: {_number(values, family, metric)}"


def _number(values: dict[str, Any], family: str, metric: str) -> str:
    value = values["scores"][family][metric]["value"]
    return "not defined" if value is None else f"{value:.3f}"
