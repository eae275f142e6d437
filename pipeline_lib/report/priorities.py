"""Figure of prioritised variants: how well families of features tell two classes apart."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import BLUE, GREEN, GREY, ORANGE, Outputs, canvas, publish

WHAT = {
    "model": "scores of the model",
    "kmer": "k-mers and alleles",
    "model and kmer": "both",
    "position": "position",
}
INK = {"model": BLUE, "kmer": GREY, "model and kmer": GREEN, "position": ORANGE}


def priority_scores(scores: Path, table: Path, *, outputs: Outputs) -> None:
    """Draw AUROC and AUPRC with intervals, and the out-of-fold scores of either class.

    Parameters
    ----------
    scores, table
        What :func:`pipeline_lib.application.scoring.prioritise.prioritise` wrote.
    """
    values, variants = read_result(scores, "scores", "positives"), pd.read_csv(table, sep="\t")
    figure, (left, right) = canvas(2, width=10, height=4)
    families = list(values["scores"])
    for place, family in enumerate(families):
        for shift, metric, mark in ((-0.12, "auroc", "o"), (0.12, "auprc", "s")):
            found = values["scores"][family][metric]
            error = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
            left.errorbar(
                found["value"], place + shift, xerr=np.clip(error, 0, None), fmt=mark, capsize=2.5,
                color=INK[family], markersize=5, label=metric.upper() if place == 0 else None,
            )  # fmt: skip
    left.axvline(0.5, color=GREY, linewidth=1, linestyle="--", zorder=0)
    share = values["positives"] / values["variants"]
    left.axvline(share, color=GREY, linewidth=1, linestyle=":", zorder=0)
    left.set_yticks(range(len(families)), [WHAT[family] for family in families])
    left.set(xlim=(0, 1.02), xlabel="chance: dashed (AUROC), dotted (AUPRC)", title="Told apart")
    left.set_ylim(len(families) - 0.5, -0.5)
    left.legend(fontsize=9)
    edges = np.linspace(0, 1, 21).tolist()
    for label, colour, name in ((0, BLUE, "without an effect"), (1, ORANGE, "with an effect")):
        own = variants.loc[variants["label"] == label, "model"]
        right.hist(own, edges, density=True, histtype="step", linewidth=1.8, color=colour,
                   label=f"{name} ({len(own)})")  # fmt: skip
    right.set(xlabel="out-of-fold probability", ylabel="density", title=WHAT["model"].capitalize())
    right.legend(fontsize=9)
    rows = [
        {"features": WHAT[family], "metric": metric, **found}
        for family in families
        for metric, found in values["scores"][family].items()
    ]
    title = f"{values['positives']} variants with and {values['negatives']} without an effect"
    publish(figure, pd.DataFrame(rows), outputs, title=title)
