"""Figure of variants: how well scores tell those with an effect from those without."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import (
    BLUE,
    COLOURS,
    GREY,
    NAMES,
    ORANGE,
    PURPLE,
    Outputs,
    canvas,
    publish,
)

WHAT = {**NAMES, "likelihood": "untuned model, likelihood ratio"}
INK = {**COLOURS, "likelihood": PURPLE}
PARTS = {"all": "all variants", "held_out": "not in training windows"}


def variant_scores(scores: Path, table: Path, *, outputs: Outputs) -> None:
    """Draw AUROCs with intervals, and the scores of either class by the tuned model.

    Parameters
    ----------
    scores
        ``variants/{name}.json`` of a model.
    table
        ``variants/{name}.parquet``.
    """
    values, variants = read_result(scores, "model", "variants", *PARTS), pd.read_parquet(table)
    figure, (left, right) = canvas(2, width=10, height=4)
    families = list(values["all"]["scores"])
    for shift, family in zip(np.linspace(-0.25, 0.25, len(families)), families, strict=True):
        _areas(left, values, family, shift)
    left.axvline(0.5, color=GREY, linewidth=1, linestyle="--", zorder=0)
    sizes = [f"{values[p]['positives']} with, {values[p]['negatives']} without" for p in PARTS]
    labels = [f"{text}\n({size})" for text, size in zip(PARTS.values(), sizes, strict=True)]
    left.set_yticks(range(len(PARTS)), labels)
    left.set(xlabel="AUROC (0.5: chance, 1: perfect)", title="Variants told apart")
    left.set_ylim(len(PARTS) - 0.5, -0.5)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9
    )
    runs = [name for name in variants.columns if str(name).startswith("pretrained-")]
    score = variants[runs].mean(axis=1)
    edges = np.linspace(0, max(float(score.max()), 1e-9), 31).tolist()
    for label, colour, name in ((0, BLUE, "without an effect"), (1, ORANGE, "with an effect")):
        own = score[variants["label"] == label]
        right.hist(own, edges, density=True, histtype="step", linewidth=1.8, color=colour,
                   label=f"{name} ({len(own)})")  # fmt: skip
    right.set(xlabel="change of the log-odds, in size", ylabel="density", title="Tuned model")
    right.legend(fontsize=9)
    rows = [
        {"variants": PARTS[part], "what": WHAT[family], "number": found["variants"],
         "metric": metric, **found[metric]}
        for part in PARTS
        for family, found in values[part]["scores"].items()
        for metric in ("auroc", "difference")
    ]  # fmt: skip
    title = f"Variants {values['variants']} by {values['model']}"
    publish(figure, pd.DataFrame(rows), outputs, title=title)


def _areas(axis: Axes, values: dict[str, Any], family: str, shift: float) -> None:
    places, found = [], []
    for place, part in enumerate(PARTS):
        if family in values[part]["scores"]:
            places.append(place + shift)
            found.append(values[part]["scores"][family]["auroc"])
    points = [item["value"] for item in found]
    errors = np.array([[i["value"] - i["low"], i["high"] - i["value"]] for i in found])
    axis.errorbar(
        points, places, xerr=errors.T.clip(0), fmt="o", markersize=5, capsize=2.5,
        color=INK[family], label=WHAT[family],
    )  # fmt: skip
