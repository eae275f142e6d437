"""Figures of what pretrained models know, measured without labels."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import BLUE, GREY, LIGHT, ORANGE, RED, Outputs, canvas, publish

Found = dict[str, float]
Row = tuple[str, str, Found, str]
"""A line of a panel: its label, its sort, a value with its interval, its colour."""

OWN, MARKOV = "this model", "best Markov model"
SHUFFLED = {"none": "as it is", "pairs of bases": "pairs kept", "bases": "bases kept"}
KINDS = {"start": "Start codons", "stop": "Stop codons", "donor": "Splice donors",
         "acceptor": "Splice acceptors"}  # fmt: skip
CHANCE = 0.5


def zero_overview(result: Path, *, outputs: Outputs) -> None:
    """Draw bits by region, sites, codons, shuffles and needles of one model.

    Parameters
    ----------
    result
        ``zero.json`` of a model.
    """
    values = read_result(result, "model", "measure", "left_out", "notes")
    panels = [name for name in ("regions", "sites", "codons", "shuffles", "needles")
              if values.get(name)]  # fmt: skip
    rows = -(-max(len(panels), 1) // 2)
    figure, axes = canvas(2, rows, width=11, height=3.6 * rows + 0.6)
    for axis, name in zip(axes, panels, strict=False):
        _PANELS[name](axis, values[name])
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    if handles := axes[0].get_legend_handles_labels()[0]:
        figure.legend(handles, (OWN, MARKOV), loc="outside upper right", ncols=2, fontsize=9)
    _say(figure, _remarks(values))
    publish(figure, table(values), outputs, title=f"What {values['model']} knows without labels")


def site_profiles(result: Path, *, outputs: Outputs) -> None:
    """Draw mean bits by position around sites and around their decoys.

    Parameters
    ----------
    result
        ``zero.json`` of a model.
    """
    values = read_result(result, "model", "left_out", "notes")
    sites: dict[str, Any] = values.get("sites", {})
    rows = -(-max(len(sites), 1) // 2)
    figure, axes = canvas(2, rows, width=11, height=3.2 * rows + 0.8)
    frames = []
    for axis, (kind, found) in zip(axes, sites.items(), strict=False):
        position = found["profile"]["position"]
        for who, what, colour in (("model", "decoy", GREY), ("model", "site", BLUE)):
            profile = found["profile"][who][what]
            axis.plot(position, profile["value"], color=colour, linewidth=1.6, label=what)
            axis.fill_between(
                position, profile["low"], profile["high"], color=colour, alpha=0.2, linewidth=0
            )
        axis.axvline(0, color=LIGHT, linewidth=1, zorder=0)
        area = found["auroc"]["motif"]["model"]
        axis.set_title(f"{KINDS[kind]} ({found['sites']}): AUROC {_short(area)}", fontsize=11)
        axis.set_xlabel("bases from the first one of the site")
        axis.set_ylabel("bits")
        axis.legend(fontsize=9)
        frames += list(_profile_rows(kind, found["profile"]))
    for axis in axes[len(sites) :]:
        axis.set_visible(False)
    _say(figure, _remarks(values))
    columns = ["kind", "position", "who", "what", "bits", "low", "high"]
    frame = pd.DataFrame(frames, columns=columns)
    publish(figure, frame, outputs, title=f"Surprise of {values['model']} around sites")


def zero_models(*results: Path, outputs: Outputs) -> None:
    """Draw the main figures of all models side by side.

    Parameters
    ----------
    *results
        ``zero.json`` of each model.
    """
    read = [read_result(path, "model", "measure", "left_out") for path in results]
    headlines = [(values["model"], dict(_headlines(values))) for values in read]
    names = list(dict.fromkeys(name for _, found in headlines for name in found))
    count = max(len(names), 1)
    figure, axes = canvas(
        min(count, 3), -(-count // 3), width=11, height=(1.5 + 0.4 * len(read)) * -(-count // 3)
    )
    rows = []
    for axis, name in zip(axes, names, strict=False):
        some = [(model, found[name]) for model, found in headlines if name in found]
        _dots(axis, [(model, "", one, BLUE) for model, one in some])
        axis.axvline(CHANCE if "AUROC" in name else 0, color=GREY, linewidth=1, linestyle="--")
        axis.set_title(name, fontsize=10)
        rows += [{"measure": name, "model": model, **one} for model, one in some]
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    frame = pd.DataFrame(rows, columns=["measure", "model", "value", "low", "high"])
    publish(figure, frame, outputs, title="What models know without labels")


def table(values: dict[str, Any]) -> pd.DataFrame:
    """Return all figures of a model as a table, and what was left out."""
    rows: list[tuple[Any, ...]] = []

    def add(part: str, of: str, measure: str, found: dict[str, Found]) -> None:
        rows.extend((part, of, measure, who, *_three(one), "") for who, one in found.items())

    for one in values.get("regions", []):
        bits = {who: one[who] for who in ("model", "markov", "difference")}
        add("regions", f"{one['region']} ({one['bases']:,} bases)", "bits per base", bits)
    for kind, found in values.get("sites", {}).items():
        for name, area in found["auroc"].items():
            add("sites", f"{kind} ({found['sites']})", f"AUROC of the {name}", area)
    if codons := values.get("codons"):
        add("codons", f"all ({codons['codons']})", "AUROC", codons["auroc"])
        for kind, area in codons["by_kind"].items():
            add("codons", kind, "AUROC", area)
    if shuffles := values.get("shuffles"):
        for kind, bits in shuffles["bits"].items():
            add("shuffles", SHUFFLED[kind], "bits per base", bits)
        for kind, more in shuffles["more"].items():
            add("shuffles", SHUFFLED[kind], "more bits than as it is", more)
    for one in values.get("needles", []):
        for measure in ("saved", "bits", "accuracy"):
            of = f"{one['distance']:,} bases apart"
            add("needles", of, measure, {"model": one[measure]})
    empty = (np.nan,) * 3
    rows += [("left out", of, "", "", *empty, why) for of, why in values["left_out"].items()]
    rows += [("note", "", "", "", *empty, note) for note in values["notes"]]
    columns = ["part", "of", "measure", "who", "value", "low", "high", "note"]
    return pd.DataFrame(rows, columns=columns)


def _headlines(values: dict[str, Any]) -> Iterator[tuple[str, Found]]:
    """Yield the main figures of a model by name."""
    for one in values.get("regions", []):
        if one["region"] == "all":
            yield "bits per base minus best Markov", one["difference"]
    for kind, found in values.get("sites", {}).items():
        yield f"AUROC of {KINDS[kind].lower()}", found["auroc"]["motif"]["model"]
    if codons := values.get("codons"):
        yield "AUROC of synonymous codons", codons["auroc"]["model"]
    if shuffles := values.get("shuffles"):
        yield "more bits, pairs of bases shuffled", shuffles["more"]["pairs of bases"]["model"]
    if needles := values.get("needles"):
        yield "bits per base saved, nearest copy", needles[0]["saved"]


def _regions(axis: Axes, found: list[dict[str, Any]]) -> None:
    rows = [
        (one["region"], name, one[who], colour)
        for one in found
        for who, name, colour in (("model", OWN, BLUE), ("markov", MARKOV, RED))
    ]
    _dots(axis, rows)
    axis.set_xlabel("bits per base (lower is better)")
    axis.set_title("Held-out sequence by region")


def _sites(axis: Axes, found: dict[str, Any]) -> None:
    rows = [
        (f"{KINDS[kind]} ({one['sites']})", name, one["auroc"]["motif"][who], colour)
        for kind, one in found.items()
        for who, name, colour in (("model", OWN, BLUE), ("markov", MARKOV, RED))
    ]
    _dots(axis, rows)
    _chance(axis, "AUROC: sites surprise less than decoys")
    axis.set_title("Sites against decoys")


def _codons(axis: Axes, found: dict[str, Any]) -> None:
    parts = {"all": found["auroc"], **found["by_kind"]}
    rows = [
        (name.replace("codon position", "position"), label, area[who], colour)
        for name, area in parts.items()
        for who, label, colour in (("model", OWN, BLUE), ("markov", MARKOV, RED))
    ]
    _dots(axis, rows)
    _chance(axis, "AUROC: synonymous ones are likelier")
    axis.set_title(f"Substitutions in {found['codons']:,} codons")


def _shuffles(axis: Axes, found: dict[str, Any]) -> None:
    rows = [
        (SHUFFLED[kind], name, found["bits"][kind][who], colour)
        for kind in SHUFFLED
        for who, name, colour in (("model", OWN, BLUE), ("markov", MARKOV, RED))
    ]
    _dots(axis, rows)
    axis.set_xlabel("bits per base")
    axis.set_title("Shuffled sequence")


def _needles(axis: Axes, found: list[dict[str, Any]]) -> None:
    distances = [one["distance"] for one in found]
    value, low, high = (
        np.array([one["saved"][key] for one in found]) for key in ("value", "low", "high")
    )
    spread = np.stack([value - low, high - value]).clip(0)
    axis.errorbar(distances, value, yerr=spread, fmt="o-", color=BLUE, capsize=3, markersize=5)
    axis.axhline(0, color=GREY, linewidth=1, linestyle="--")
    for distance, one, saved in zip(distances, found, value, strict=True):
        axis.annotate(
            f"{one['accuracy']['value']:.0%}", (distance, saved), xytext=(4, 5),
            textcoords="offset points", fontsize=8.5, color=ORANGE,
        )  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks(distances, [f"{distance:,}" for distance in distances], fontsize=9)
    axis.set_xlabel("bases between a random word and its copy")
    axis.set_ylabel("bits per base saved")
    axis.set_title("Copying (right first guesses in orange)")


_PANELS: dict[str, Any] = {
    "regions": _regions,
    "sites": _sites,
    "codons": _codons,
    "shuffles": _shuffles,
    "needles": _needles,
}


def _dots(axis: Axes, rows: Sequence[Row]) -> None:
    """Draw values with intervals: a line for each label, side by side for each sort."""
    labels = list(dict.fromkeys(row[0] for row in rows))
    sorts = list(dict.fromkeys(row[1] for row in rows))
    seen = set()
    for label, sort, found, colour in rows:
        place = labels.index(label) + 0.22 * (sorts.index(sort) - (len(sorts) - 1) / 2)
        value, low, high = _three(found)
        axis.errorbar(
            [value], [place], xerr=[[max(value - low, 0)], [max(high - value, 0)]], fmt="o",
            color=colour, capsize=2.5, markersize=5, label=sort if sort not in seen else None,
        )  # fmt: skip
        seen.add(sort)
    axis.set_yticks(range(len(labels)), labels, fontsize=9)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(axis="x", color=LIGHT, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.locator_params(axis="x", nbins=4)


def _chance(axis: Axes, label: str) -> None:
    axis.axvline(CHANCE, color=GREY, linewidth=1, linestyle="--", zorder=0)
    axis.set_xlabel(label)


def _profile_rows(kind: str, profile: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for who in ("model", "markov"):
        for what, found in profile[who].items():
            numbers = zip(found["value"], found["low"], found["high"], strict=True)
            for position, three in zip(profile["position"], numbers, strict=True):
                yield kind, position, who, what, *three


def _remarks(values: dict[str, Any]) -> list[str]:
    return [f"Left out: {of}: {why}." for of, why in values["left_out"].items()]


def _say(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below a figure."""
    if sentences:
        text = "\n".join(line for one in sentences for line in textwrap.wrap(one, 130))
        figure.supxlabel(text, fontsize=9, x=0.01, ha="left", color="#555555")


def _three(found: Found) -> tuple[float, float, float]:
    return found["value"], found["low"], found["high"]


def _short(found: Found) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
