"""Figure of embedded sequences: where they lie on a plane, and how well a label is read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.style import BLUE, GREY, Outputs, canvas, publish

MOST_NAMED = 10
"""Most kinds that get a colour of their own; the others are grey."""


def draw(
    points: pd.DataFrame,
    scores: pd.DataFrame | None,
    outputs: Outputs,
    *,
    title: str,
    method: str,
    axes: tuple[str, str],
    label: str | None,
) -> None:
    """Draw sequences on a plane, coloured by a label, and scores with their intervals.

    Parameters
    ----------
    points
        Columns x and y, and the label if there is one: words, or numbers.
    scores
        Of the label: columns what, metric, value, low, high; None to draw none.
    title, method, axes
        What the vectors are, how the plane was made, and names of its axes.
    """
    columns = 1 if scores is None else 2
    figure, panels = canvas(columns, width=6.4 * columns if columns == 1 else 10.5, height=4.8)
    _plane(panels[0], points, label)
    panels[0].set(title=f"{title}: {method}", xlabel=axes[0], ylabel=axes[1], xticks=[], yticks=[])
    if scores is None:
        frame = pd.DataFrame([{"figure": title, "plane": method, "sequences": len(points)}])
    else:
        _scores(panels[1], scores, str(label))
        frame = scores
    publish(figure, frame, outputs, title=title)


def _plane(axis: Axes, points: pd.DataFrame, label: str | None) -> None:
    if label is None:
        axis.scatter(points["x"], points["y"], 8, alpha=0.6, linewidths=0, color=BLUE)
        return
    if pd.api.types.is_float_dtype(points[label]):
        drawn = axis.scatter(
            points["x"], points["y"], 8, c=points[label], alpha=0.7, linewidths=0, cmap="viridis"
        )
        axis.figure.colorbar(drawn, ax=axis, label=label)
        return
    kinds = points[label].astype(str)
    named = kinds.value_counts().index[:MOST_NAMED]
    others = ~kinds.isin(named)
    if others.any():
        axis.scatter(points["x"][others], points["y"][others], 5, color=GREY, alpha=0.3,
                     linewidths=0, label="others")  # fmt: skip
    colours = plt.get_cmap("tab10")
    for number, name in enumerate(named):
        own = kinds == name
        axis.scatter(points["x"][own], points["y"][own], 9, alpha=0.65, linewidths=0,
                     color=colours(number), label=f"{name} ({own.sum():,})")  # fmt: skip
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, fontsize=8, markerscale=2)


def _scores(axis: Axes, scores: pd.DataFrame, label: str) -> None:
    rows = np.arange(len(scores))
    for kind, colour in (("embeddings", BLUE), (None, GREY)):
        own = (scores["what"] == kind) if kind else (scores["what"] != "embeddings")
        part = scores[own]
        error = [part["value"] - part["low"], part["high"] - part["value"]]
        axis.errorbar(part["value"], rows[own], xerr=np.array(error).clip(0), fmt="o", color=colour,
                      markersize=6, capsize=3)  # fmt: skip
    names = [f"{row.what},\n{row.metric}" for row in scores.itertuples()]
    axis.set_yticks(rows, names, fontsize=9)
    axis.set_ylim(len(scores) - 0.5, -0.5)
    chance = 1 / int(scores["classes"].iloc[0])
    axis.axvline(chance, color="#BBBBBB", linewidth=1, linestyle=":")
    axis.annotate("chance", (chance, -0.45), fontsize=8, color="#777777", xytext=(3, -2),
                  textcoords="offset points", va="top")  # fmt: skip
    held_out = scores["held_out"].iloc[0]
    axis.set(title=f"Reading {label!r}", xlabel=f"balanced accuracy, other {held_out} held out")
