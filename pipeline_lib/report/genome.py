"""Figures of the stage ``genome``."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.errors import InputError
from pipeline_lib.report.style import BLUE, GREEN, LIGHT, ORANGE, Outputs, canvas, publish

MOST_BARS = 40


def assembly_overview(contigs: Path, *, outputs: Outputs) -> None:
    """Draw the contigs of an assembly: length, kept or dropped, GC, N and soft-masked share.

    Parameters
    ----------
    contigs
        ``contigs.tsv`` of the assembly.
    """
    frame = pd.read_csv(contigs, sep="\t", keep_default_na=False)
    needed = {"name", "length", "gc", "n_share", "soft_masked_share", "kept", "reason"}
    if lacking := needed - set(frame.columns):
        raise InputError(
            f"has no column {', '.join(sorted(lacking))}",
            path=contigs,
            remedy="make the genome again with `snakemake --cores 2 --forcerun genome_prepare`",
        )
    frame["kept"] = frame["kept"].astype(str).str.lower() == "true"
    shown = frame.sort_values("length", ascending=False).head(MOST_BARS).iloc[::-1]
    places = np.arange(len(shown))
    figure, (left, right) = canvas(
        2, width=9, height=max(2.8, 0.26 * len(shown) + 1.2), width_ratios=(3, 2)
    )
    colours = np.where(shown["kept"], BLUE, ORANGE)
    left.barh(places, shown["length"] / 1e6, color=colours, height=0.75)
    for place, (_, row) in enumerate(shown.iterrows()):
        note = "" if row["kept"] else f"  dropped: {row['reason'].partition(':')[0]}"
        left.text(row["length"] / 1e6, place, note, va="center", fontsize=9, color=ORANGE)
    left.set_yticks(places, [str(name)[:28] for name in shown["name"]], fontsize=9)
    left.set_xlabel("length (million bases)")
    hidden = len(frame) - len(shown)
    left.set_title(
        "Contigs" + (f" (the {MOST_BARS} longest; {hidden:,} not shown)" if hidden else "")
    )
    shares = [("GC", "gc", BLUE, "o"), ("N", "n_share", LIGHT, "s")]
    shares.append(("soft-masked", "soft_masked_share", GREEN, "^"))
    for label, column, colour, marker in shares:
        right.plot(
            shown[column].astype(float) * 100, places, marker, color=colour, markersize=6,
            label=label, markeredgecolor="#555555", markeredgewidth=0.5,
        )  # fmt: skip
    right.set_yticks([])
    right.set_ylim(left.get_ylim())
    right.set_xlim(-2, 102)
    right.set_xlabel("share of bases (%)")
    right.set_title("Composition")
    right.legend(loc="lower right", fontsize=9)
    publish(figure, frame, outputs, title=f"Contigs of {contigs.parent.name}")
