"""Tracks of a model along a sequence, window by window, and what a mutation changes.

A model reads windows whose places depend on the length of the sequence alone. A mutation can
therefore change the values of those windows only that hold it: they are read again, and no others,
and the tracks are the same as if all of the mutated sequence had been read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BASES = "ACGT"


def no_check() -> None:
    """Let the work go on."""


class Window(NamedTuple):
    """What is read at once, and what it gives.

    Attributes
    ----------
    start, end
        Bases that are read, half-open. They may lie beyond the sequence: there are N.
    first, last
        Values of the track that it gives, half-open.
    skip
        How many values it has before the first of these.
    """

    start: int
    end: int
    first: int
    last: int
    skip: int = 0


@dataclass(frozen=True)
class Plan:
    """How a sequence of some length is read.

    Attributes
    ----------
    offset
        Base that the first value is about.
    step
        Bases from one value to the next.
    windows
        In the order of the values they give, which have no gaps.
    """

    offset: int
    step: int
    windows: tuple[Window, ...]

    @property
    def count(self) -> int:
        """How many values a track has."""
        return self.windows[-1].last if self.windows else 0

    def holding(self, place: int) -> tuple[Window, ...]:
        """Return the windows that read a base."""
        return tuple(window for window in self.windows if window.start <= place < window.end)


class TrackModel(Protocol):
    """A model that gives values along a sequence."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its tracks."""

    def plan(self, length: int) -> Plan:
        """Return how a sequence of ``length`` bases is read."""

    def read(
        self, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
    ) -> list[Array]:
        """Return the values of some windows; each of shape (values, outputs), NaN: none."""


@dataclass(frozen=True)
class Change:
    """What mutations of a base change.

    Attributes
    ----------
    first
        The first value that may change.
    before
        Values from there on; shape (values, outputs).
    after
        The same with other bases, by base.
    """

    first: int
    before: Array
    after: dict[str, Array]


def tracks_along(
    model: TrackModel, sequence: bytes, check: Callable[[], None] = no_check
) -> tuple[Plan, Array]:
    """Return the tracks of a model along a sequence.

    Parameters
    ----------
    model
        What reads it.
    sequence
        Upper-case A, C, G, T and N.
    check
        Called often; raises to end the work.

    Returns
    -------
    plan, values
        Where values lie, and the values; shape (values, outputs).
    """
    plan = model.plan(len(sequence))
    return plan, _values(model, sequence, plan.windows, check)


def change_of(
    model: TrackModel,
    sequence: bytes,
    place: int,
    bases: Sequence[str],
    check: Callable[[], None] = no_check,
    every: int = 1,
) -> Change:
    """Return the values that other bases at a place may change, before and after.

    Parameters
    ----------
    model, sequence, check
        As for :func:`tracks_along`.
    place
        0-based.
    bases
        The other bases, of A, C, G and T.
    every
        Read only every so many of the windows that hold the base.
    """
    windows = model.plan(len(sequence)).holding(place)[::every]
    after = {
        base: _values(model, substituted(sequence, place, base), windows, check) for base in bases
    }
    before = _values(model, sequence, windows, check)
    return Change(windows[0].first if windows else 0, before, after)


def substituted(sequence: bytes, place: int, base: str) -> bytes:
    """Return a sequence with another base at a place."""
    return sequence[:place] + base.encode() + sequence[place + 1 :]


def _values(
    model: TrackModel, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
) -> Array:
    if not windows:
        return np.empty((0, len(model.outputs)))
    return np.concatenate(model.read(sequence, windows, check))


def text_of(sequence: bytes, window: Window) -> bytes:
    """Return the bases of a window; N beyond the ends of the sequence."""
    inside = sequence[max(window.start, 0) : max(window.end, 0)]
    before = b"N" * min(max(-window.start, 0), window.end - window.start)
    return before + inside + b"N" * (window.end - window.start - len(before) - len(inside))


def overlapping(length: int, reach: int, *, causal: bool) -> tuple[Window, ...]:
    """Return windows of ``reach`` bases that share half of them, with one value a base.

    Two neighbours divide what they share in its middle. A model of the next token knows only what
    stands before a base: there the second gives all but what lies before it.
    """
    if length <= reach:
        return (Window(0, length, 0, length),)
    hop = max(reach // 2, 1)
    starts = [*range(0, length - reach, hop), length - reach]
    if causal:
        # What the window before has reached is known with more of what stands before it.
        ends = [start + reach for start in starts]
    else:
        ends = [(start + reach + after) // 2 for start, after in pairwise(starts)]
        ends.append(length)
    firsts = [0, *ends[:-1]]
    return tuple(
        Window(start, start + reach, first, end)
        for start, first, end in zip(starts, firsts, ends, strict=True)
    )


def sliding(length: int, window: int, focus: int, most: int) -> Plan:
    """Return at most ``most`` windows along a sequence, each with one value for its base ``focus``.

    The sequence is at least as long as a window.
    """
    step = -(-(length - window + 1) // most)
    starts = range(0, length - window + 1, step)
    windows = tuple(Window(at, at + window, i, i + 1) for i, at in enumerate(starts))
    return Plan(focus, step, windows)


def padded(length: int, window: int, units: int, size: int) -> Plan:
    """Return a window around a sequence that is shorter, with ``units`` bins in its middle."""
    flank = (window - units * size) // 2
    bins = max(min(-(-length // size), units), 1)
    return Plan(0, size, (Window(-flank, window - flank, 0, bins),))
