"""Figures of embeddings: examples on a plane, and how well classes are kept apart."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import COLOURS, LIGHT, NAMES, Outputs, canvas, publish

METRICS = {
    "knn": "nearest neighbours,\nbalanced accuracy",
    "linear": "linear model,\nbalanced accuracy",
    "silhouette": "silhouette",
    "ari": "clusters,\nadjusted Rand index",
}
WHAT = {**NAMES, "kmer": "counts of 4-mers"}
MOST_POINTS = 2_000
MOST_NAMED = 10
"""Most classes that are named in a legend."""


def embedding_map(scores: Path, points: Path, *, outputs: Outputs) -> None:
    """Draw the planes of the first two principal components, and the scores with intervals.

    Parameters
    ----------
    scores
        ``embeddings/{task}.json`` of a model.
    points
        ``embeddings/{task}.parquet``.
    """
    values = read_result(scores, "model", "task", "names", "scores", "variance_on_the_plane")
    table = pd.read_parquet(points)
    families = list(values["scores"])
    figure, axes = canvas(len(families) + 1, width=3.6 * (len(families) + 1), height=4.2)
    shown = table.iloc[np.linspace(0, len(table) - 1, min(len(table), MOST_POINTS)).astype(int)]
    colours = plt.get_cmap("tab10" if len(values["names"]) <= 10 else "tab20")
    for axis, family in zip(axes, families, strict=False):
        for index, name in enumerate(values["names"]):
            own = shown[shown["class"] == name]
            axis.scatter(
                own[f"{family} x"], own[f"{family} y"], 8, alpha=0.6, linewidths=0,
                color=colours(index % colours.N), label=name,
            )  # fmt: skip
        first, second = values["variance_on_the_plane"][family]
        axis.set(title=WHAT[family], xlabel=f"{first:.0%} of the variance")
        axis.set(ylabel=f"{second:.0%}", xticks=[], yticks=[])
    if len(values["names"]) <= MOST_NAMED:
        figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9,
            markerscale=2,
        )  # fmt: skip
    last = axes[-1]
    for shift, family in zip(np.linspace(-0.2, 0.2, len(families)), families, strict=True):
        found = [values["scores"][family][metric] for metric in METRICS]
        point = np.array([item["value"] for item in found])
        error = [[i["value"] - i["low"], i["high"] - i["value"]] for i in found]
        last.errorbar(
            point, np.arange(len(METRICS)) + shift, xerr=np.array(error).T.clip(0), fmt="o",
            markersize=5, color=COLOURS[family], capsize=2.5, label=WHAT[family],
        )  # fmt: skip
    for border in range(len(METRICS) - 1):
        last.axhline(border + 0.5, color=LIGHT, linewidth=0.6, zorder=0)
    last.set_yticks(range(len(METRICS)), METRICS.values(), fontsize=9)
    last.set_ylim(len(METRICS) - 0.5, -0.5)
    last.set_title("Classes kept apart")
    last.legend(fontsize=8, loc="best")
    rows = [
        {"what": WHAT[family], "metric": METRICS[metric].replace("\n", " "), **item}
        for family in families
        for metric, item in values["scores"][family].items()
    ]
    title = f"Embeddings of {values['task']} by {values['model']}, untuned"
    publish(figure, pd.DataFrame(rows), outputs, title=title)
