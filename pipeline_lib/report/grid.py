"""The settings that were tried for a task, and which were chosen."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import COLOURS, NAMES, RED, Outputs, canvas, publish


def grid_scores(chosen: Path, *, outputs: Outputs) -> None:
    """Draw what each combination of settings reached on the validation examples.

    Parameters
    ----------
    chosen
        ``chosen.json``.
    """
    result = read_result(chosen, "measure", "points")
    frame = pd.DataFrame(
        {
            "what": NAMES[point["init"]],
            **point["values"],
            f"validation {result['measure']}": point["score"],
            "seconds": point["seconds"],
            "chosen": "chosen" if point["chosen"] else "",
        }
        for point in result["points"]
    )
    combinations = list(dict.fromkeys(_words(point["values"]) for point in result["points"]))
    figure, (axis,) = canvas(width=7.5, height=1.8 + 0.34 * len(combinations))
    for offset, init in ((-0.12, "pretrained"), (0.12, "scratch")):
        points = [point for point in result["points"] if point["init"] == init]
        places = np.array([combinations.index(_words(point["values"])) for point in points])
        scores = np.array([point["score"] for point in points])
        best = np.array([point["chosen"] for point in points])
        axis.scatter(scores, places + offset, 40, color=COLOURS[init], label=NAMES[init])
        axis.scatter(
            scores[best], places[best] + offset, 130, facecolors="none", edgecolors=RED,
            label="chosen" if init == "scratch" else None,
        )  # fmt: skip
    axis.set_yticks(range(len(combinations)), combinations, fontsize=9)
    axis.set_ylim(len(combinations) - 0.5, -0.5)
    axis.set_xlabel(f"{result['measure'].replace('_', ' ')} on validation examples")
    axis.set_title("Settings tried")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    publish(figure, frame, outputs, title="Settings tried")


def _words(values: dict[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
