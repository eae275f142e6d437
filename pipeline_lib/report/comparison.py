"""Models side by side: what each reached, and what it cost."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.reading import read_lines, read_result
from pipeline_lib.report.style import BLUE, GREY, LIGHT, ORANGE, RED, Outputs, canvas, publish

SIMPLE_ORDER = "3"
"""A Markov model that sees three bases: what a language model should at least be better than."""


def model_comparison(*files: Path, outputs: Outputs) -> None:
    """Draw bits per base of all models, the best first, beside their training time and size.

    Parameters
    ----------
    *files
        ``pretraining.json`` of each model, then ``metrics.jsonl`` of each, in the same order.
    """
    count = len(files) // 2
    rows = [_row(*pair) for pair in zip(files[:count], files[count:], strict=True)]
    frame = pd.DataFrame(rows).sort_values("bits per base", ignore_index=True)
    markov = read_result(files[0], "baselines", "best_markov_order")
    levels = _levels(markov["baselines"]["markov"], str(markov["best_markov_order"]))

    height = 1.6 + 0.42 * len(frame)
    figure, (left, right) = canvas(2, width=9.5, height=height, width_ratios=(3, 1))
    _bits(left, frame, levels)
    places = np.arange(len(frame))
    right.barh(places, frame["minutes"], color=LIGHT)
    for place, (minutes, size) in enumerate(
        zip(frame["minutes"], frame["parameters"], strict=True)
    ):
        right.annotate(
            f"{_short(size)} weights", (minutes, place), xytext=(-4, 0),
            textcoords="offset points", va="center", ha="right", fontsize=9, color="#444444",
        )  # fmt: skip
    right.set_yticks([])
    right.set_ylim(len(frame) - 0.5, -0.5)
    right.set_xlabel("minutes of training")
    right.set_title("Cost")
    publish(figure, frame, outputs, title="Models side by side")


def _bits(axis: Axes, frame: pd.DataFrame, levels: dict[str, float]) -> None:
    places = np.arange(len(frame))
    for name, level in levels.items():
        axis.axvline(level, color=RED, linewidth=1, linestyle="--", alpha=0.7)
        axis.annotate(
            name, (level, -0.5), xytext=(2, 3), textcoords="offset points", color=RED, fontsize=9,
            rotation=35, rotation_mode="anchor", ha="left",
        )  # fmt: skip
    for kind, colour in (("likelihood", BLUE), ("pseudo-likelihood", ORANGE)):
        chosen = frame["measure"] == kind
        if not chosen.any():
            continue
        part = frame[chosen]
        spread = np.array(
            [part["bits per base"] - part["low"], part["high"] - part["bits per base"]]
        )
        axis.errorbar(
            part["bits per base"], places[chosen], xerr=spread.clip(0), fmt="o", color=colour,
            capsize=3, markersize=6, label=kind,
        )  # fmt: skip
    for place, value in enumerate(frame["bits per base"]):
        axis.annotate(
            f"{value:.4f}", (value, place), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=9, color="#333333",
        )  # fmt: skip
    axis.set_yticks(places, frame["model"])
    axis.set_ylim(len(frame) - 0.5, -0.5)
    axis.grid(axis="x", color=LIGHT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.set_xlabel("held-out bits per base (lower is better)")
    axis.legend(
        loc="upper left", bbox_to_anchor=(-0.3, -0.08), fontsize=9, labelcolor=GREY, ncols=1
    )


def _levels(markov: dict[str, Any], best: str) -> dict[str, float]:
    found = {f"Markov, order {best}": markov[best]["value"]}
    if SIMPLE_ORDER in markov and best != SIMPLE_ORDER:
        found[f"Markov, order {SIMPLE_ORDER}"] = markov[SIMPLE_ORDER]["value"]
    return found


def _row(evaluated: Path, metrics: Path) -> dict[str, object]:
    found = read_result(
        evaluated, "model", "measure", "family", "parameters", "bits_per_base", "baselines",
        "best_markov_order",
    )  # fmt: skip
    lines = [line for line in read_lines(metrics) if "elapsed" in line]
    markov, own = found["baselines"]["markov"], found["bits_per_base"]
    simple = markov.get(SIMPLE_ORDER, {"value": float("nan")})
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return {
        "model": found["model"],
        "family": found["family"],
        "parameters": found["parameters"],
        "minutes": lines[-1]["elapsed"] / 60 if lines else float("nan"),
        "steps": lines[-1]["step"] if lines else 0,
        "tokens per second": float(np.median(speeds)) if speeds else float("nan"),
        "bits per base": own["value"],
        "low": own["low"],
        "high": own["high"],
        "measure": found["measure"],
        f"minus Markov order {SIMPLE_ORDER}": own["value"] - simple["value"],
        "minus best Markov": own["value"] - markov[str(found["best_markov_order"])]["value"],
    }


def _short(count: int) -> str:
    """Return a count as people say it: 95 k, 1.6 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
