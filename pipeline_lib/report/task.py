"""Figures of tasks: scores, curves and calibration."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import COLOURS, GREY, NAMES, Outputs, canvas, publish

METRICS = ("auroc", "auprc", "mcc", "f1", "brier", "ece")
FAMILIES = ("pretrained", "scratch", "kmer")
KINDS = {
    "upstream": "upstream of the start",
    "in_frame": "in the gene, in frame",
    "out_of_frame": "in the gene, out of frame",
    "intergenic": "between genes",
}


def task_scores(*results: Path, outputs: Outputs) -> None:
    """Draw AUROC with intervals, against all decoys and against each kind of them.

    Parameters
    ----------
    *results
        ``{task}.json`` of each model and task.
    """
    read = [read_result(path, "model", "task", "scores") for path in results]
    rows = [row for values in read for row in _rows(values)]
    kinds = sorted({kind for values in read for kind in values["scores"]["kmer"]["by_kind"]})
    figure, axes = canvas(len(read), width=max(7.5, 5.0 * len(read)), height=0.85 * len(kinds) + 2)
    for axis, values in zip(axes, read, strict=True):
        labels = ["all decoys", *(KINDS.get(kind, kind) for kind in kinds)]
        for shift, family in zip((-0.22, 0.0, 0.22), FAMILIES, strict=True):
            scores = values["scores"].get(family)
            if scores is None:
                continue
            found = [scores["auroc"], *(scores["by_kind"][kind]["auroc"] for kind in kinds)]
            points = np.array([item["value"] for item in found])
            errors = np.array([[i["value"] - i["low"], i["high"] - i["value"]] for i in found])
            axis.errorbar(
                points, np.arange(len(labels)) + shift, xerr=errors.T.clip(0), fmt="o",
                color=COLOURS[family], capsize=3, label=NAMES[family],
            )  # fmt: skip
        axis.axvline(0.5, color=GREY, linewidth=1, linestyle="--")
        axis.set_yticks(range(len(labels)), labels)
        axis.invert_yaxis()
        axis.set_xlabel("AUROC on held-out chromosomes (0.5: chance, 1: perfect)")
        axis.set_title(f"{values['model']}: {values['task']}")
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=9)
    publish(figure, pd.DataFrame(rows), outputs, title="Task scores")


def roc_pr(scores: Path, predictions: Path, *, outputs: Outputs) -> None:
    """Draw ROC and precision-recall curves of the test examples, the mean over seeds.

    Parameters
    ----------
    scores
        ``{task}.json``.
    predictions
        ``{task}.parquet``.
    """
    values = read_result(scores, "model", "task", "scores")
    table = pd.read_parquet(predictions)
    table = table[table["split"] == "test"]
    labels = table["label"].to_numpy()
    grid = np.linspace(0, 1, 201)
    figure, (left, right) = canvas(2, width=9.5, height=4.6)
    frame = pd.DataFrame({"false positive rate or recall": grid})
    for family in FAMILIES:
        runs = [
            name for name in table.columns if name.rpartition("-")[0] == family or name == family
        ]
        if not runs:
            continue
        true_rates, precisions = [], []
        for run in runs:
            wrong, right_calls, _ = roc_curve(labels, table[run])
            true_rates.append(np.interp(grid, wrong, right_calls))
            precision, recall, _ = precision_recall_curve(labels, table[run])
            precisions.append(np.interp(grid, recall[::-1], precision[::-1]))
        rate, precision = np.mean(true_rates, axis=0), np.mean(precisions, axis=0)
        found = values["scores"][family]
        left.plot(grid, rate, color=COLOURS[family], label=_label(family, found["auroc"]))
        right.plot(grid, precision, color=COLOURS[family], label=_label(family, found["auprc"]))
        frame[f"true positive rate, {NAMES[family]}"] = rate
        frame[f"precision, {NAMES[family]}"] = precision
    left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    right.axhline(labels.mean(), color=GREY, linewidth=1, linestyle="--")
    right.text(0.0, labels.mean(), " chance", va="bottom", color=GREY, fontsize=9)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    right.set_ylim(0, 1.02)
    for axis in (left, right):
        axis.legend(fontsize=9, loc="lower right" if axis is left else "upper right")
    publish(figure, frame, outputs, title=f"ROC and PR of {values['model']} on {values['task']}")


def calibration(scores: Path, *, outputs: Outputs) -> None:
    """Draw how often examples of a score are true sites, for each family of runs.

    Parameters
    ----------
    scores
        ``{task}.json``.
    """
    values = read_result(scores, "model", "task", "scores")
    figure, (axis,) = canvas(width=5.6, height=5)
    rows = []
    for family in FAMILIES:
        bins = [
            item
            for item in values["scores"].get(family, {}).get("calibration", [])
            if item["count"]
        ]
        if not bins:
            continue
        sizes = np.sqrt([item["count"] for item in bins])
        mean = [item["mean_score"] for item in bins]
        share = [item["share_positive"] for item in bins]
        axis.plot(mean, share, color=COLOURS[family], linewidth=1.5, label=NAMES[family])
        axis.scatter(mean, share, sizes / sizes.max() * 80, color=COLOURS[family])
        rows += [{"family": NAMES[family], **item} for item in bins]
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axis.set(xlabel="score", ylabel="share of true sites", title="Calibration")
    axis.legend(fontsize=9, loc="upper left")
    publish(figure, pd.DataFrame(rows), outputs, title=f"Calibration of {values['model']}")


def _rows(values: dict[str, Any]) -> list[dict[str, object]]:
    rows = []
    for family, scores in values["scores"].items():
        for metric in METRICS:
            found = scores[metric]
            rows.append(_score(values, family, metric, "all", found))
        for kind, found in scores["by_kind"].items():
            rows.append(_score(values, family, "auroc", kind, found["auroc"]))
    return rows


def _score(
    values: dict[str, Any], family: str, metric: str, decoys: str, found: dict[str, float]
) -> dict[str, object]:
    return {
        "model": values["model"],
        "task": values["task"],
        "what": NAMES.get(family, family),
        "metric": metric.upper() if metric != "brier" else "Brier",
        "decoys": decoys,
        **{key: found[key] for key in ("value", "low", "high")},
    }


def _label(family: str, found: dict[str, float]) -> str:
    return f"{NAMES[family]}: {found['value']:.3f}"
