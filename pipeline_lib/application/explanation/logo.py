"""Sequence logos: letters as tall as what is told of them, below the axis where it is negative."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from pipeline_lib.application.explanation.model import Array
from pipeline_lib.report.style import BLUE, GREEN, LIGHT, ORANGE, RED, canvas

BASES = "ACGT"
COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "T": RED}
ROW = 128
"""Most bases in a line of a logo."""
GAP = 0.06
"""Share of its width that a letter leaves free."""


def one_hot(sequence: str) -> Array:
    """Return which of A, C, G and T stands at each base; (length, 4)."""
    letters = np.frombuffer(sequence.encode(), np.uint8)
    return np.asarray(letters[:, None] == np.frombuffer(b"ACGT", np.uint8), dtype=np.float64)


def draw(axes: Axes, heights: Array, first: float = 0) -> None:
    """Draw the letters of a logo.

    Parameters
    ----------
    axes
        Where to; its limits are left to the caller.
    heights
        Of A, C, G and T at each place; (length, 4). Positive letters stand on the axis, the
        smallest nearest to it, negative ones hang below.
    first
        Where the first letter stands.
    """
    for place, column in enumerate(heights):
        for sign in (1, -1):
            base = 0.0
            for letter in np.argsort(sign * column, kind="stable"):
                height = column[letter]
                if sign * height > 0:
                    low = base if sign > 0 else base + height
                    _letter(axes, BASES[letter], first + place, low, abs(height))
                    base += height


def logo(
    heights: Array,
    *,
    title: str,
    label: str,
    below: str = "base of the sequence, from 0",
    first: int = 0,
    band: tuple[Array, Array] | None = None,
    mark: int | None = None,
) -> Figure:
    """Return a logo, in as many lines as it needs.

    Parameters
    ----------
    heights
        See :func:`draw`.
    label, below
        Of the axes.
    first
        Number of the first base.
    band
        Lower and upper end of an interval at each base; (length,) each.
    mark
        Number of the base that the sequence is about.
    """
    lines = -(-len(heights) // ROW)
    size = -(-len(heights) // lines)  # lines of equal length
    starts = range(0, len(heights), size)
    low, high = _limits(heights if band is None else np.column_stack([heights, *band]))
    figure, all_axes = canvas(
        1, len(starts), width=max(4.0, 1.2 + 0.105 * size), height=0.8 + 1.5 * len(starts)
    )
    for axes, start in zip(all_axes, starts, strict=True):
        part = heights[start : start + size]
        draw(axes, part, first + start)
        if band is not None:
            places = first + start + np.arange(len(part))
            lows, highs = (one[start : start + size] for one in band)
            axes.vlines(places, lows, highs, color="#777777", linewidth=0.8)
        axes.set_xlim(first + start - 0.6, first + start + size - 0.4)
        axes.set_ylim(low, high)
        axes.axhline(0, color="#444444", linewidth=0.6)
        if mark is not None and start <= mark - first < start + len(part):
            axes.axvspan(mark - 0.5, mark + 0.5, color=LIGHT, alpha=0.6, linewidth=0, zorder=0)
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    all_axes[0].set_title(title)
    all_axes[-1].set_xlabel(below)
    return figure


def heat_map(values: Array, sequence: str, *, title: str) -> Figure:
    """Return a dependency map as a figure: rows are changed, columns expected."""
    figure, (axes,) = canvas(width=6.6, height=5.8)
    top = float(np.nanquantile(values, 0.995)) if np.isfinite(values).any() else 1.0
    colours = axes.imshow(
        np.ma.masked_invalid(values), cmap="magma_r", vmin=0, vmax=max(top, 1e-9),
        interpolation="nearest",
    )  # fmt: skip
    axes.set_facecolor(LIGHT)
    axes.set_title(title)
    axes.set_xlabel("base that is expected")
    axes.set_ylabel("base that is changed")
    if len(sequence) <= ROW:
        size = 8 if len(sequence) <= 50 else 5
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(range(len(sequence)), list(sequence), fontsize=size)
            axis.set_tick_params(length=0)
    figure.colorbar(colours, ax=axes, label="change of log2-odds", shrink=0.8)
    return figure


def heights_of(importance: Array, sequence: str) -> Array:
    """Return the letters of a logo in which each base is as tall as it matters; (length, 4)."""
    return one_hot(sequence) * importance[:, None]


def average_heights(table: pd.DataFrame) -> Array:
    """Return letters whose heights sum to the mean importance, from columns ``A`` to ``T``."""
    return table[list(BASES)].to_numpy(np.float64)


def _letter(axes: Axes, letter: str, place: float, low: float, height: float) -> None:
    outline = _outline(letter)
    change = Affine2D().scale(1 - 2 * GAP, height).translate(place - 0.5 + GAP, low)
    patch = PathPatch(change.transform_path(outline), color=COLOURS[letter], linewidth=0)
    axes.add_patch(patch)


@cache
def _outline(letter: str) -> Outline:
    """Return a letter that fills the unit square."""
    text = TextPath(
        (0, 0), letter, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold")
    )
    box = text.get_extents()
    change = Affine2D().translate(-box.x0, -box.y0).scale(1 / box.width, 1 / box.height)
    return change.transform_path(text)


def _limits(heights: Array) -> tuple[float, float]:
    """Return the ends of the axis: those of the stacks, with some room."""
    high = float(np.maximum(heights[:, :4], 0).sum(axis=1).max(initial=0))
    low = float(np.minimum(heights[:, :4], 0).sum(axis=1).min(initial=0))
    if heights.shape[1] > 4:
        high, low = max(high, float(heights[:, 5].max())), min(low, float(heights[:, 4].min()))
    room = 0.06 * max(high - low, 1e-9)
    return low - room, high + room
