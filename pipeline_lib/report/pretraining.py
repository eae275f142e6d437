"""Figures of the stage ``pretraining``, and of how it is evaluated."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.reading import read_lines, read_result
from pipeline_lib.report.style import BLUE, GREY, LIGHT, ORANGE, RED, Outputs, canvas, publish


def loss_curve(metrics: Path, *, outputs: Outputs) -> None:
    """Draw the loss on training and held-out sequence, and the learning rate.

    Parameters
    ----------
    metrics
        ``metrics.jsonl`` of a model.
    """
    frame = pd.DataFrame(read_lines(metrics))
    training = frame[frame["loss"].notna()] if "loss" in frame else frame.head(0)
    valid = frame[frame["valid_loss"].notna()] if "valid_loss" in frame else frame.head(0)
    figure, (top, bottom) = canvas(1, 2, height=5, height_ratios=(4, 1))
    if len(training):
        smooth = training["loss"].ewm(span=max(2, len(training) // 20)).mean()
        top.plot(training["step"], training["loss"], color=LIGHT, linewidth=1)
        top.plot(training["step"], smooth, color=GREY, linewidth=2, label="training (smoothed)")
        bottom.plot(training["step"], training["learning_rate"], color=GREY)
    if len(valid):
        top.plot(
            valid["step"], valid["valid_loss"], "o-", color=BLUE, linewidth=2, markersize=4,
            label="held-out contigs",
        )  # fmt: skip
        best = valid.iloc[int(valid["valid_loss"].to_numpy().argmin())]
        top.annotate(
            f"best: {best['valid_bits_per_base']:.4f} bits per base",
            (best["step"], best["valid_loss"]), xytext=(0, -18), textcoords="offset points",
            ha="right", color=BLUE,
        )  # fmt: skip
    top.set_ylabel("loss (nats per masked token)")
    top.set_title("Learning curve")
    top.legend(loc="best")  # where no curve runs
    bottom.set_ylabel("rate")
    bottom.set_xlabel("step")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    columns = ["step", "loss", "valid_loss", "valid_bits_per_base", "learning_rate"]
    kept = [name for name in (*columns, "gradient_norm", "tokens_per_second") if name in frame]
    publish(figure, frame[kept], outputs, title=f"Learning curve of {metrics.parent.name}")


def bits_per_base(*results: Path, outputs: Outputs) -> None:
    """Draw held-out bits per base of models beside uniform, unigram and Markov models.

    Parameters
    ----------
    *results
        ``pretraining.json`` of each model.
    """
    read = [read_result(path, "model", "measure", "bits_per_base", "baselines") for path in results]
    rows = []
    for values in read:
        baselines = values["baselines"]
        rows.append(_row(values["model"], "model", values["bits_per_base"]))
        unigram = baselines["token_unigram"]
        rows.append(_row(f"tokens of {values['model']}, one by one", "token unigram", unigram))
    markov = {int(order): found for order, found in read[0]["baselines"]["markov"].items()}
    for order in sorted(markov):
        rows.append(_row(f"Markov model of order {order}", "Markov", markov[order]))
    rows.append({"what": "uniform", "kind": "uniform", "bits per base": 2.0})
    frame = pd.DataFrame(rows)

    height = max(4.4, 1.6 + 0.5 * len(read))
    figure, (left, right) = canvas(2, width=9.5, height=height, width_ratios=(1, 1))
    left.axhline(2.0, color=GREY, linewidth=1, linestyle="--")
    left.text(
        max(markov), 2.0, "knowing nothing: 2", va="bottom", ha="right", color=GREY, fontsize=9
    )
    orders = np.array(sorted(markov))
    _points(left, orders, [markov[order] for order in orders], RED, "-")
    left.set_xlabel("order of the Markov model (bases of context)")
    left.set_ylabel("bits per base (lower is better)")
    left.set_title("Markov models: a likelihood")
    _models(right, read)
    publish(figure, frame, outputs, title="Held-out bits per base")


def _models(axis: Axes, read: list[dict[str, Any]]) -> None:
    """Draw each model on a line of its own, and its tokens taken one by one."""
    for place, values in enumerate(read):
        pair = (values["baselines"]["token_unigram"], values["bits_per_base"])
        for found, colour, up in zip(pair, (ORANGE, BLUE), (-14, 7), strict=True):
            error = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
            axis.errorbar(
                [found["value"]], [place], xerr=np.clip(error, 0, None), fmt="o", color=colour,
                capsize=3, markersize=5,
            )  # fmt: skip
            axis.annotate(
                f"{found['value']:.4f}", (found["value"], place), xytext=(0, up),
                textcoords="offset points", ha="center", color=colour, fontsize=10,
            )  # fmt: skip
    names = [f"{values['model']}\n{values['measure']}" for values in read]
    axis.axvline(2.0, color=GREY, linewidth=1, linestyle="--")
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlabel("bits per base")
    axis.set_title("Models (blue), their tokens (orange)")


def _row(what: str, kind: str, found: dict[str, float]) -> dict[str, object]:
    return {
        "what": what,
        "kind": kind,
        "bits per base": found["value"],
        "low": found["low"],
        "high": found["high"],
    }


def _points(
    axis: object, places: object, found: list[dict[str, float]], colour: str, line: str
) -> None:
    values = np.array([item["value"] for item in found])
    errors = np.array(
        [[item["value"] - item["low"], item["high"] - item["value"]] for item in found]
    ).T.clip(0)
    axis.errorbar(  # type: ignore[attr-defined]
        places, values, errors, fmt="o", linestyle=line, color=colour, capsize=3, markersize=5
    )
