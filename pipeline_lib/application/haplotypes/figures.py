"""Figures of the report on artificial genomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_lib.application.haplotypes.comparison import Reference
from pipeline_lib.application.haplotypes.leaving_out import binned, interval
from pipeline_lib.application.haplotypes.measures import GAPS
from pipeline_lib.application.parts import Arrays
from pipeline_lib.report import style

REAL = "#222222"
PALETTE = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.RED)
SIMPLE = ("#8A8A8A", "#B5A16B", "#BBBBBB")  # independent sites, Markov chain, real halves
CAPTIONS = {
    "frequencies": "Allele frequency of every site, real and artificial.",
    "decay": "Linkage disequilibrium (mean r²) of sites on one contig, by their distance.",
    "distances": "At how many sites two haplotypes of a set differ.",
    "nearest": "Nearest neighbours: AAtruth is the share of real haplotypes whose nearest "
    "neighbour is real, AAsyn that of artificial ones whose nearest is artificial. Both are 0.5 "
    "where the sets cannot be told apart; lower means copying, higher unlikeness.",
    "components": "First two principal components of the real haplotypes (grey, or coloured by "
    "population) and the artificial ones on them (black).",
    "triple": "Correlation of third moments of 1,000 triplets of sites with those of real ones.",
}
_COLUMNS = 3


@dataclass(frozen=True, eq=False)
class Drawn:
    """What figures are drawn from.

    Attributes
    ----------
    real
        Real haplotypes.
    found
        Measures by name of the set, in order.
    samples
        Names of the sets that were given; the others are simple samplers and real halves.
    populations
        Of the real haplotypes.
    """

    real: Reference
    found: Mapping[str, Arrays]
    samples: list[str]
    populations: list[str] | None = None

    def colour(self, name: str) -> str:
        """Return the colour of a set."""
        if name in self.samples:
            return PALETTE[self.samples.index(name) % len(PALETTE)]
        others = [other for other in self.found if other not in self.samples]
        return SIMPLE[others.index(name)]


def write_figures(folder: Path, drawn: Drawn) -> dict[str, Path]:
    """Write every figure with the table behind it; return them by name."""
    made = {
        "frequencies": _frequencies(drawn),
        "decay": _decay(drawn),
        "distances": _distances(drawn),
        "nearest": _nearest(drawn),
        "components": _components(drawn),
        "triple": _triple(drawn),
    }
    found = {}
    for name, (figure, frame) in made.items():
        paths = (folder / f"{name}.{suffix}" for suffix in ("svg", "tsv", "html"))
        outputs = style.Outputs(*paths)
        style.publish(figure, frame, outputs, title=CAPTIONS[name].partition(".")[0])
        found[name] = outputs.figure
    return found


def _frequencies(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, axes = _grid(len(drawn.found), height=2.7)
    columns = {"real": drawn.real.shares}
    for axis, (name, arrays) in zip(axes, drawn.found.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=style.LIGHT, linewidth=1)
        axis.plot(
            drawn.real.shares, arrays["frequencies"], ".", markersize=3, alpha=0.6,
            color=drawn.colour(name), rasterized=True,
        )  # fmt: skip
        axis.set_title(f"{name}: r {float(arrays['af_r']):.4f}", fontsize=10)
        columns[name] = arrays["frequencies"]
        axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    _outer_labels(axes, len(drawn.found), "real", "artificial")
    frame = pd.DataFrame(columns)
    return figure, pd.concat([drawn.real.sites[["id"]].reset_index(drop=True), frame], axis=1)


def _decay(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, (axis,) = style.canvas(width=7.5, height=4)
    bins, middles = drawn.real.bins
    truth = drawn.real.linkages[-1]
    sizes = np.bincount(bins[(bins >= 0) & ~np.isnan(truth)], minlength=len(middles))
    real = binned(truth, bins, len(middles))
    columns = {"distance": middles, "pairs": sizes, "real": real}
    for name, arrays in drawn.found.items():
        axis.plot(
            middles / 1e3, arrays["decay"], color=drawn.colour(name), label=name, linewidth=1.5
        )
        columns[name] = arrays["decay"]
    axis.plot(middles / 1e3, real, color=REAL, label="real", linewidth=2.2, zorder=5)
    axis.set(xscale="log", xlabel="distance in kb", ylabel="mean r²")
    axis.legend(fontsize=9)
    return figure, pd.DataFrame(columns)


def _distances(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, (axis,) = style.canvas(width=7.5, height=4)
    real = drawn.real.distances.counts
    columns = {"sites": np.arange(len(real)), "real": real / real.sum()}
    for name, arrays in drawn.found.items():
        columns[name] = arrays["pairs"] / arrays["pairs"].sum()
    frame = pd.DataFrame(columns)
    shown = np.flatnonzero(frame.drop(columns="sites").max(axis=1) > 1e-5)
    frame = frame.iloc[shown[0] : shown[-1] + 1]
    for name in drawn.found:
        axis.plot(frame["sites"], frame[name] * 100, color=drawn.colour(name), label=name)
    axis.plot(
        frame["sites"], frame["real"] * 100, color=REAL, label="real", linewidth=2.2, zorder=5
    )
    axis.set(xlabel="sites at which two haplotypes differ", ylabel="% of pairs")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=9)
    return figure, frame


def _nearest(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, (axis,) = style.canvas(width=7.5, height=0.9 + 0.42 * len(drawn.found))
    names, rows = list(drawn.found), []
    marks = {"aa_truth": ("AAtruth", "o"), "aa_syn": ("AAsyn", "s"), "aats": ("AATS", "D")}
    axis.axvline(0.5, color=style.LIGHT, zorder=0)
    for key, (label, mark) in marks.items():
        values = np.array([drawn.found[name][key].item() for name in names])
        errors = np.array([drawn.found[name][f"{key}_error"].item() for name in names])
        ends = [interval(*pair) for pair in zip(values, errors, strict=True)]
        low, high = np.array(ends).T
        solid = key == "aats"
        colours = [drawn.colour(name) for name in names]
        axis.hlines(np.arange(len(names)), low, high, color=colours, linewidth=1)
        axis.scatter(
            values, np.arange(len(names)), marker=mark, s=42, zorder=3, label=label,
            facecolors=colours if solid else "white", edgecolors=colours,
        )  # fmt: skip
        rows += [
            {"set": name, "measure": label, "value": value, "low": first, "high": last}
            for name, value, first, last in zip(names, values, low, high, strict=True)
        ]
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlim=(-0.03, 1.03), xlabel="share of nearest neighbours of the own set")
    legend = axis.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)
    for handle in legend.legend_handles:
        handle.set_edgecolor(REAL)  # type: ignore[union-attr]
    legend.legend_handles[-1].set_facecolor(REAL)  # type: ignore[union-attr]
    return figure, pd.DataFrame(rows)


def _components(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, axes = _grid(len(drawn.found), height=2.9)
    real = drawn.real.components.project(drawn.real.alleles)
    groups = drawn.populations or [""] * len(real)
    names = sorted(set(groups))
    for place, (axis, (name, arrays)) in enumerate(zip(axes, drawn.found.items(), strict=False)):
        for number, group in enumerate(names):
            points = real[np.array(groups) == group]
            colour = PALETTE[number % len(PALETTE)] if drawn.populations else style.GREY
            axis.plot(points[:, 0], points[:, 1], ".", markersize=3, color=colour, alpha=0.5,
                      rasterized=True, label=group if place == 0 else None)  # fmt: skip
        shown = arrays["points"]
        axis.plot(shown[:, 0], shown[:, 1], ".", markersize=1.2, color="black", alpha=0.35,
                  rasterized=True)  # fmt: skip
        axis.set_title(f"{name}\nW1 {float(arrays['pc1_w1']):.3f}, {float(arrays['pc2_w1']):.3f}",
                       fontsize=10)  # fmt: skip
    _outer_labels(axes, len(drawn.found), "component 1", "component 2")
    if drawn.populations:
        figure.legend(loc="outside lower center", ncols=len(names), markerscale=3, fontsize=9)
    frame = pd.DataFrame(
        {
            "set": list(drawn.found),
            **{
                f"wasserstein_{number}": [
                    arrays[f"pc{number}_w1"].item() for arrays in drawn.found.values()
                ]
                for number in range(1, real.shape[1] + 1)
            },
        }
    )
    return figure, frame


def _triple(drawn: Drawn) -> tuple[Figure, pd.DataFrame]:
    figure, (axis,) = style.canvas(width=7.5, height=3.8)
    # Gaps that do not fit between the sites there are left out.
    shown = ~np.all([np.isnan(arrays["triple"]) for arrays in drawn.found.values()], axis=0)
    labels = np.array([*map(str, GAPS), "any"])[shown]
    columns: dict[str, object] = {"gap": labels}
    for name, arrays in drawn.found.items():
        axis.plot(
            labels,
            arrays["triple"][shown],
            "o-",
            markersize=4,
            color=drawn.colour(name),
            label=name,
        )
        columns[name] = arrays["triple"][shown]
    axis.set(xlabel="sites between the members of a triplet", ylabel="correlation with real")
    axis.set_ylim(top=1.02)
    axis.legend(fontsize=9)
    return figure, pd.DataFrame(columns)


def _grid(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    rows = -(-count // _COLUMNS)
    figure, axes = style.canvas(min(count, _COLUMNS), rows, width=7.5, height=height * rows)
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes


def _outer_labels(axes: list[Axes], count: int, below: str, left: str) -> None:
    for place, axis in enumerate(axes[:count]):
        if place + _COLUMNS >= count:
            axis.set_xlabel(below)
        if place % _COLUMNS == 0:
            axis.set_ylabel(left)
