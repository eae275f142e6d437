"""Figures of the stage ``corpus``."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import BLUE, GREEN, LIGHT, ORANGE, Outputs, canvas, publish

COLOURS = {"train": BLUE, "valid": ORANGE, "test": GREEN}
MOST_ASSEMBLIES = 20


def corpus_overview(stats: Path, *, outputs: Outputs) -> None:
    """Draw the bases of each split, what leaks between them, and the assemblies' shares.

    Parameters
    ----------
    stats
        ``stats.json`` of the corpus.
    """
    values = read_result(stats, "splits", "leak", "shares", "homology")
    rows = []
    for split, counts in values["splits"].items():
        rows.append(
            {
                "split": split,
                "bases of the genome": counts.get("split_bases", 0),
                "bases read": counts.get("bases", 0),
                "documents": counts.get("documents", 0),
                "sentences": counts.get("sentences", 0),
                "left out as copies": counts.get("homologous_bases", 0),
                "leak before filter": values["leak"]["before"].get(split, np.nan),
                "leak after filter": values["leak"]["after"].get(split, np.nan),
                "variants": counts.get("variants", 0),
            }
        )
    frame = pd.DataFrame(rows)
    figure, (left, middle, right) = canvas(3, width=10.5, height=3.8, width_ratios=(3, 3, 3))
    places = np.arange(len(frame))
    left.barh(places, frame["bases of the genome"] / 1e6, 0.7, color=[*COLOURS.values()])
    for place, (_, row) in enumerate(frame.iterrows()):
        left.text(
            row["bases of the genome"] / 1e6, place, f"  read {_times(row)} times", va="center",
            fontsize=9,
        )  # fmt: skip
    left.set_yticks(places, list(frame["split"]))
    left.set_xlim(right=left.get_xlim()[1] * 1.35)
    left.invert_yaxis()
    left.set_xlabel("million bases of the genome")
    left.set_title("Splits")
    held = frame[frame["split"] != "train"]
    spots = np.arange(len(held))
    for shift, when, colour in ((-0.2, "before", LIGHT), (0.2, "after", BLUE)):
        leaks = held[f"leak {when} filter"] * 100
        middle.bar(spots + shift, leaks, 0.4, color=colour, label=f"{when} the filter")
        for spot, share in zip(spots, leaks, strict=True):
            middle.text(spot + shift, share, f"{share:.1f}", ha="center", va="bottom", fontsize=9)
    middle.set_xticks(spots, list(held["split"]))
    middle.set_ylabel("bases also in training (%)")
    middle.set_ylim(top=max(1.0, middle.get_ylim()[1] * 1.3))
    middle.legend(loc="upper right", fontsize=9)
    middle.set_title(f"Leak (homology: {values['homology']})")
    shares = sorted(values["shares"].items(), key=lambda pair: -pair[1])
    shown = shares[:MOST_ASSEMBLIES]
    right.barh(range(len(shown)), [share * 100 for _, share in shown], 0.7, color=BLUE)
    right.set_yticks(range(len(shown)), [name[:20] for name, _ in shown], fontsize=9)
    right.invert_yaxis()
    right.set_xlabel("share of training bases (%)")
    more = len(shares) - len(shown)
    right.set_title("Assemblies" + (f" ({more:,} more)" if more else ""))
    publish(figure, frame, outputs, title=f"Corpus {stats.parent.name}")


def _times(row: pd.Series) -> str:
    bases = row["bases of the genome"]
    return f"{row['bases read'] / bases:.1f}" if bases else "0"
