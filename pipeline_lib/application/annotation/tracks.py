"""What a tuned model says along a sequence: one number for each bin and output."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.annotation.plan import Plan, Read, plain, stretches
from pipeline_lib.application.annotation.shape import Shape
from pipeline_lib.finetuning.scorer import Scorer
from pipeline_lib.sequence import reverse_complement

Strands = Literal["forward", "each", "mean"]
Values = NDArray[np.float32]
SIGNS = {"forward": ("+",), "each": ("+", "-"), "mean": (".",)}
MOST_LETTERS, MOST_CELLS = 1 << 20, 4 << 20
"""Most letters of windows, and most values, that are held at a time."""


@dataclass(frozen=True)
class Track:
    """One number for each bin.

    Attributes
    ----------
    name
        Of the output: a class, label or measurement.
    strand
        ``+``, ``-``, or ``.`` for the mean of both.
    """

    name: str
    strand: str


class Tracker:
    """Lays a tuned model along sequence.

    Parameters
    ----------
    scorer
        Of classes, labels, numbers, bases or tracks.
    shape
        How it is laid along the sequence: see :func:`shape_of`.
    strands
        ``forward``; ``each``: a track of either strand; ``mean``: the mean of both.
    only
        For a model of whole sequences: letters that must stand at the focus, in reading
        direction. Elsewhere nothing is said.
    """

    def __init__(
        self, scorer: Scorer, shape: Shape, strands: Strands = "forward", only: str = ""
    ) -> None:
        self.scorer, self.shape, self.strands = scorer, shape, strands
        self._only = only.upper().encode()

    @property
    def tracks(self) -> list[Track]:
        """What the columns of values are: output after output, strand after strand."""
        return [
            Track(name, sign) for sign in SIGNS[self.strands] for name in self.scorer.target.names
        ]

    def plan(self, low: int, high: int) -> Plan:
        """Return the windows along a stretch of sequence."""
        return Plan(self.shape, low, high, self.strands != "forward")

    @property
    def at_once(self) -> int:
        """How many windows are scored at a time: what is held does not depend on the input."""
        sides = 1 if self.strands == "forward" else 2
        cells = self.shape.units * len(self.scorer.target.names) * sides
        return max(1, min(MOST_LETTERS // self.shape.window, MOST_CELLS // cells))

    def values(self, read: Read, plan: Plan, first: int, last: int) -> Values:
        """Return what the windows ``first`` to ``last`` (exclusive) of a plan say of their bins.

        Parameters
        ----------
        read
            Gives letters of the stretch.

        Returns
        -------
        ndarray
            NaN where nothing is said; shape (bins, tracks).
        """
        begins = plan.begins(first, last)
        origin = int(begins[0]) * self.shape.size - plan.before
        stop = int(begins[-1]) * self.shape.size + plan.after
        text = plain(read(origin, stop))
        sides = [self._strand(text, origin, begins, plan, first, turned=False)]
        if self.strands != "forward":
            sides.append(self._strand(text, origin, begins, plan, first, turned=True))
        if self.strands == "mean":
            return np.asarray((sides[0] + sides[1]) / 2, dtype=np.float32)
        return np.concatenate(sides, axis=1)

    def _strand(
        self,
        text: bytes,
        origin: int,
        begins: NDArray[np.int64],
        plan: Plan,
        first: int,
        *,
        turned: bool,
    ) -> Values:
        """Return what is said of the bins as one strand shows them; (bins, outputs)."""
        shape = self.shape
        places = begins * shape.size - origin  # of the first base spoken of, in the text
        rows = self._shown(text, places, turned)
        low, high = plan.bins(first, first + len(begins))
        outputs = len(self.scorer.target.names)
        values = np.full((high - low, outputs), np.nan, dtype=np.float32)
        if not len(rows):
            return values
        ahead = shape.behind if turned else shape.first
        windows = [text[at - ahead : at - ahead + shape.window] for at in places[rows].tolist()]
        if turned:
            windows = [reverse_complement(window) for window in windows]
        table = pd.DataFrame({"sequence": [window.decode() for window in windows]})
        if not shape.dense:
            table["focus"] = shape.first
        found = self.scorer.score(table).reshape(len(rows), shape.units, outputs)
        found = found[:, ::-1] if turned else found
        for row, part in zip(rows.tolist(), found, strict=True):
            own = plan.bins(first + row, first + row + 1)
            begin = int(begins[row])
            values[own[0] - low : own[1] - low] = part[own[0] - begin : own[1] - begin]
        if shape.size == 1:
            bases = np.frombuffer(text, dtype=np.uint8)[low - origin : high - origin]
            values[bases == ord("N")] = np.nan
        return values

    def _shown(self, text: bytes, places: NDArray[np.int64], turned: bool) -> NDArray[np.int64]:
        """Return which windows are read: those whose focus is known, and stands where it has to."""
        if self.shape.dense:
            return np.arange(len(places))
        word = reverse_complement(self._only) if turned else self._only
        back = max(len(word) - 1, 0) if turned else 0
        kept = [
            row
            for row, at in enumerate(places.tolist())
            if text[at] != ord("N") and text.startswith(word, max(at - back, 0))
        ]
        return np.array(kept, dtype=np.int64)


def tracks(
    scorer: Scorer,
    sequence: bytes,
    shape: Shape,
    *,
    strands: Strands = "forward",
    only: str = "",
    pad: bool = False,
) -> Values:
    """Return what a tuned model says of every base of a sequence in memory.

    Parameters
    ----------
    scorer
        As ``load_tuned`` returns it.
    sequence
        Letters of any case.
    shape
        How the model is laid along it: see :func:`shape_of`.
    strands, only
        See :class:`Tracker`, whose property ``tracks`` names the columns.
    pad
        Read N beyond the ends of the sequence and of its gaps, so that all bases up to them get a
        value. Without it, bases near the ends get none.

    Returns
    -------
    ndarray
        NaN where nothing is said; shape (bases, tracks).
    """
    tracker = Tracker(scorer, shape, strands, only)
    values = np.full((len(sequence), len(tracker.tracks)), np.nan, dtype=np.float32)
    for low, high in stretches(lambda start, end: sequence[start:end], len(sequence)):
        around = shape.window if pad else 0
        text = b"N" * around + sequence[low:high] + b"N" * around
        read = _reader(text, low - around)
        plan = tracker.plan(low - around, high + around)
        windows = plan.touching(low, high)
        for begin in range(windows[0], windows[1], tracker.at_once):
            end = min(begin + tracker.at_once, windows[1])
            found = tracker.values(read, plan, begin, end)
            first = plan.bins(begin, end)[0] * shape.size
            spread = found.repeat(shape.size, axis=0)
            start, stop = max(first, low), min(first + len(spread), high)
            values[start:stop] = spread[start - first : stop - first]
    return values


def _reader(text: bytes, origin: int) -> Read:
    return lambda start, end: text[start - origin : end - origin]
