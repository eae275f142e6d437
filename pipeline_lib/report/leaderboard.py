"""All models on all tasks: scores, ranks, and what tuning cost.

The baselines stand in the same ranking. Where a task was carried out by both protocols, strict
and published, the two scores stand beside each other, with what leaks in the published one.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline_lib.report.reading import read_lines
from pipeline_lib.report.scores import METRICS, families_of, headline, read_task
from pipeline_lib.report.style import COLOURS, GREY, LIGHT, NAMES, Outputs, canvas, publish

PANELS = 3
PAPER = ".paper"
OWN = ("pretrained", "scratch")
"""Families that are a model's own; the others are the same for all models."""


def leaderboard(*results: Path, folder: Path, launched: list[str], outputs: Outputs) -> None:
    """Draw the headline metric of every model on every task, and write ranks and costs.

    Parameters
    ----------
    *results
        ``{task}.json`` of each model and task.
    folder
        Folder of all results, for the time and memory of the tuning runs.
    launched
        Tasks whose runs were handed to a cluster: their memory was not measured here.
    """
    read = [read_task(path) for path in results]
    lines = [row for values in read for row in _entries(values, folder, launched)]
    frame = pd.DataFrame(lines).drop_duplicates(["task", "protocol", "who"], ignore_index=True)
    by_task = frame.assign(order=-frame["value"]).groupby(["task", "protocol"])["order"]
    frame["rank"] = by_task.rank(method="min", na_option="bottom").astype(int)
    frame["of"] = frame.groupby(["task", "protocol"])["who"].transform("size")
    _draw(frame, outputs)


def _entries(values: dict[str, Any], folder: Path, launched: list[str]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    leak = values["leak"] or {"exact": math.nan, "homologous": math.nan}
    task = values["task"]
    for family in families_of(values):
        found = headline(values, family)
        who = {"pretrained": values["model"], "scratch": f"{values['model']}, not pretrained"}
        minutes, memory = _costs(folder, values["model"], task, family, task in launched)
        rows.append(
            {
                "task": task.removesuffix(PAPER) if values["protocol"] == "paper" else task,
                "protocol": values["protocol"],
                "who": who.get(family, NAMES[family]),
                "family": family,
                "metric": METRICS[values["headline"]].label,
                **(found or dict.fromkeys(("value", "low", "high"), math.nan)),
                "minutes of tuning": minutes,
                "peak memory (MB)": memory,
                "test examples copied in training": leak["exact"],
                "test examples homologous to training": leak["homologous"],
                "chance": METRICS[values["headline"]].chance,
            }
        )
    return rows


def _costs(folder: Path, model: str, task: str, family: str, launched: bool) -> tuple[float, float]:
    """Return the minutes of a run (the median over seeds) and its memory, NaN if not known."""
    benchmarks = folder / "benchmarks"
    if family in OWN:
        files = sorted((benchmarks / "finetuning" / model / task).glob(f"{family}-*.tsv"))
        logs = sorted((folder / "finetuning" / model / task).glob(f"{family}-*/metrics.jsonl"))
    else:
        name = {"kmer": "kmers", "cnn": "cnn"}.get(family, "")
        place = benchmarks / "evaluation" / "baselines" / "task" / task
        files, logs = sorted(place.glob(f"{name}.tsv")), []
    jobs = [pd.read_csv(file, sep="\t", na_values="-").iloc[-1] for file in files]
    memory = max((float(job["max_rss"]) for job in jobs), default=math.nan)
    seconds = [sum(line.get("seconds", 0.0) for line in read_lines(log)) for log in logs]
    seconds = seconds or [float(job["s"]) for job in jobs]
    return float(np.median(seconds)) / 60 if seconds else math.nan, math.nan if launched else memory


def _draw(frame: pd.DataFrame, outputs: Outputs) -> None:
    shown = frame[frame["family"] != "constant"]  # the dashed line of chance says it
    tasks = list(dict.fromkeys(shown["task"]))
    means = _mean_ranks(shown) if len(tasks) > 1 else None
    panels = len(tasks) + (means is not None)
    columns = min(panels, PANELS)
    most = int(shown.groupby("task")["who"].nunique().max())
    lines = math.ceil(panels / columns)
    figure, axes = canvas(
        columns, lines, width=max(7.5, 4.4 * columns), height=(0.44 * most + 1.7) * lines + 0.3
    )
    if means is not None:
        _ranks(axes[0], means)
    for axis, task in zip(axes[panels - len(tasks) :], tasks, strict=False):
        _panel(axis, shown[shown["task"] == task])
    for axis in axes[panels:]:
        axis.set_visible(False)
    if (shown["protocol"] == "paper").any():
        marks = [axes[-1].plot([], [], mark, color=GREY, mfc=fill)[0]
                 for mark, fill in (("o", GREY), ("s", "white"))]  # fmt: skip
        words = ["homologous sequences are in one split", "split as published"]
        figure.legend(marks, words, loc="outside lower center", ncols=2, fontsize=9)
    publish(figure, frame.drop(columns=["family", "chance"]), outputs, title="Models on tasks")


def _panel(axis: Axes, part: pd.DataFrame) -> None:
    """Draw one task: who is best stands highest, by the strict protocol if there is one."""
    both = part["protocol"].nunique() > 1
    leading = "strict" if (part["protocol"] == "strict").any() else "paper"
    order = part[part["protocol"] == leading].sort_values("value", ascending=False)
    places = {who: place for place, who in enumerate(dict.fromkeys([*order["who"], *part["who"]]))}
    for row in part.to_dict("records"):
        strict, colour = row["protocol"] == "strict", COLOURS[row["family"]]
        place = places[row["who"]] + (0.14 if strict else 0.42) * both
        spread = [[max(row["value"] - row["low"], 0)], [max(row["high"] - row["value"], 0)]]
        axis.errorbar(
            [row["value"]], [place - 0.28 * both], xerr=np.nan_to_num(spread), color=colour,
            fmt="o" if strict else "s", mfc=colour if strict else "white", capsize=2.5,
            markersize=5.5,
        )  # fmt: skip
        axis.annotate(
            "not defined" if math.isnan(row["value"]) else f" {row['value']:.3f}",
            (1.0, place - 0.28 * both), xycoords=("axes fraction", "data"), va="center",
            fontsize=8.5, color="#333333" if strict or not both else GREY,
        )  # fmt: skip
    chance = part["chance"].iloc[0]
    if not pd.isna(chance):
        axis.axvline(chance, color=GREY, linewidth=1, linestyle="--", zorder=0)
    for border in range(len(places) - 1):
        axis.axhline(border + 0.5, color=LIGHT, linewidth=0.6, zorder=0)
    axis.set_yticks(list(places.values()), list(places), fontsize=9)
    axis.set_ylim(len(places) - 0.5, -0.5)
    axis.set_xlabel(part["metric"].iloc[0], fontsize=10)
    note = _leak_note(part)
    axis.set_title(str(part["task"].iloc[0]), fontsize=11, pad=18 if note else 6)
    axis.annotate(
        note, (0, 1), xycoords="axes fraction", xytext=(0, 5), textcoords="offset points",
        fontsize=9, color="#555555",
    )  # fmt: skip


def _leak_note(part: pd.DataFrame) -> str:
    column = "test examples homologous to training"
    leaks = part[(part["protocol"] == "paper") & part[column].notna()]
    if leaks.empty:
        return ""
    return f"published split: {leaks[column].iloc[0]:.0%} of the test leaked"


def _mean_ranks(frame: pd.DataFrame) -> pd.Series:
    """Return the mean rank over tasks, strict where there is the choice, of who is in all."""
    strict_tasks = set(frame.loc[frame["protocol"] == "strict", "task"])
    counted = frame[(frame["protocol"] == "strict") | ~frame["task"].isin(strict_tasks)]
    by_who = counted.groupby("who")
    complete = by_who["task"].nunique() == counted["task"].nunique()
    ranks: pd.Series = by_who["rank"].mean()[complete].sort_values()
    return ranks


def _ranks(axis: Axes, means: pd.Series) -> None:
    axis.barh(range(len(means)), means.to_numpy(), 0.6, color=LIGHT)
    for place, value in enumerate(means):
        axis.text(value, place, f" {value:.1f}", va="center", fontsize=9)
    axis.set_yticks(range(len(means)), list(means.index), fontsize=9)
    axis.set_ylim(len(means) - 0.5, -0.7)
    axis.set_xlim(0, float(means.max()) * 1.15)
    axis.set_xlabel("mean rank over tasks (1: always the best)", fontsize=10)
    axis.set_title("All tasks", fontsize=11)
