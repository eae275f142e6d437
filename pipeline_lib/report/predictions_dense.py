"""Figures of what a model predicts along the sequence: classes of bases, and tracks."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline_lib.report.scores import families_of
from pipeline_lib.report.style import COLOURS, GREY, NAMES, Outputs, canvas, publish

MOST_PANELS = 4


def draw_bases(values: dict[str, Any], table: pd.DataFrame, outputs: Outputs) -> None:
    """Draw precision by recall, a panel for each class but the background.

    Parameters
    ----------
    values
        ``{task}.json``.
    table
        Columns class and recall, and the precision of every run.
    """
    names = list(dict.fromkeys(table["class"]))
    shown = names[:MOST_PANELS]
    bases = values["test_bases"]
    figure, axes = canvas(len(shown), width=4.4 * len(shown) + 0.6, height=4.4)
    frame = table[["class", "recall"]].copy()
    for family in _drawn(values):
        frame[f"precision, {NAMES[family]}"] = table[_runs(table, family)].mean(axis=1)
    for axis, name in zip(axes, shown, strict=True):
        part = frame[frame["class"] == name]
        for family in _drawn(values):
            found = values["scores"][family]["by_name"][name]["auprc"]["value"]
            area = "not defined" if found is None else f"{found:.3f}"
            axis.plot(
                part["recall"], part[f"precision, {NAMES[family]}"], color=COLOURS[family],
                label=f"{NAMES[family]}: {area}",
            )  # fmt: skip
        share = bases[name] / max(sum(bases.values()), 1)
        axis.axhline(share, color=GREY, linewidth=1, linestyle="--")
        axis.text(0.0, share, " chance", va="bottom", color=GREY, fontsize=9)
        axis.set(xlabel=f"recall ({bases[name]:,} bases)", title=f"{name}, AUPRC", ylim=(0, 1.02))
        axis.legend(fontsize=8, loc="best")
    axes[0].set_ylabel("precision")
    publish(figure, frame, outputs, title=f"Bases of {values['task']} by {values['model']}")


def draw_tracks(values: dict[str, Any], table: pd.DataFrame, outputs: Outputs) -> None:
    """Draw measured against predicted numbers of some bins, a panel for each family.

    Parameters
    ----------
    values
        ``{task}.json``.
    table
        Columns track and target, and the prediction of every run.
    """
    families = _drawn(values)
    frame = table[["track", "target"]].rename(columns={"target": "measured"})
    for family in families:
        frame[f"predicted by {NAMES[family]}"] = table[_runs(table, family)].mean(axis=1)
    figure, axes = canvas(len(families), width=3.1 * len(families) + 0.6, height=3.7)
    ends = [float(np.log1p(frame["measured"]).min()), float(np.log1p(frame["measured"]).max())]
    for axis, family in zip(axes, families, strict=True):
        axis.scatter(
            np.log1p(frame[f"predicted by {NAMES[family]}"]), np.log1p(frame["measured"]), 6,
            alpha=0.35, color=COLOURS[family], linewidths=0,
        )  # fmt: skip
        axis.plot(ends, ends, color=GREY, linewidth=1, linestyle="--")
        found = values["scores"][family]["pearson"]["value"]
        score = "not defined" if found is None else f"{found:.3f}"
        axis.set_title(f"{NAMES[family]}\nPearson r {score}", fontsize=10)
        axis.set_xlabel("predicted, log(1 + x)")
    axes[0].set_ylabel("measured, log(1 + x)")
    publish(figure, frame, outputs, title=f"Tracks of {values['task']} by {values['model']}")


def _drawn(values: dict[str, Any]) -> list[str]:
    """Return the families whose predictions differ between examples."""
    return [family for family in families_of(values) if family != "constant"]


def _runs(table: pd.DataFrame, family: str) -> list[str]:
    """Return the columns of the runs of a family."""
    names = [str(name) for name in table.columns]
    return [name for name in names if name == family or name.rpartition("-")[0] == family]
