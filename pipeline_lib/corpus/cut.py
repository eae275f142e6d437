"""Cutting a stretch of sequence into sentences and documents (GENA-LM, Methods).

A pass starts at a random offset; from there, sentences of random length follow each other
without a break, and a random number of them make a document. All of this is arithmetic on
coordinates: the letters matter only where they are N.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.corpus import CorpusSettings
from pipeline_lib.intervals import EMPTY, Intervals

KNOWN_BASES = b"ACGTUacgtu"
"""Every other letter is an unknown base: the corpus reader gives it as N."""

LOWER_CASE = np.arange(256) >= ord("a")
UNKNOWN = np.ones(256, dtype=np.bool_)
UNKNOWN[list(KNOWN_BASES)] = False
_BLOCK = 1 << 24  # letters looked at at once, so that no array is much larger than the contig


@dataclass(frozen=True, slots=True)
class Piece:
    """A document: its interval on the forward strand, and its sentences in reading order."""

    start: int
    end: int
    sentence_lengths: NDArray[np.int32]


def letter_runs(letters: NDArray[np.uint8], wanted: NDArray[np.bool_]) -> Intervals:
    """Return the runs of certain letters.

    Parameters
    ----------
    letters
        ASCII codes; shape (length,).
    wanted
        Whether a code belongs to a run; shape (256,).
    """
    borders: list[NDArray[np.int64]] = []
    inside = False
    for begin in range(0, len(letters), _BLOCK):
        flags = np.concatenate([[inside], wanted[letters[begin : begin + _BLOCK]]])
        borders.append(np.flatnonzero(flags[1:] != flags[:-1]) + begin)
        inside = bool(flags[-1])
    if inside:
        borders.append(np.array([len(letters)], np.int64))
    edges = np.concatenate([np.empty(0, np.int64), *borders])
    return Intervals(edges[::2], edges[1::2])


def unknown_runs(letters: NDArray[np.uint8]) -> Intervals:
    """Return the runs of N and of ambiguity codes."""
    return letter_runs(letters, UNKNOWN)


def at_least(intervals: Intervals, shortest: int) -> Intervals:
    """Return the intervals of at least ``shortest`` bases."""
    chosen = intervals.ends - intervals.starts >= shortest
    return Intervals(intervals.starts[chosen], intervals.ends[chosen])


def count_covered(
    intervals: Intervals, lefts: NDArray[np.int64], rights: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many bases of each ``[left, right)`` the intervals cover; shape (ranges,)."""
    if not len(intervals):
        return np.zeros(len(lefts), dtype=np.int64)
    sums = np.concatenate([[0], np.cumsum(intervals.ends - intervals.starts)])

    def before(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        index = np.searchsorted(intervals.starts, positions, side="right")
        # The last interval that starts before the position may reach beyond it.
        beyond = np.maximum(intervals.ends[np.maximum(index - 1, 0)] - positions, 0)
        return np.asarray(sums[index] - np.where(index > 0, beyond, 0))

    return before(rights) - before(lefts)


def subtract(wanted: Intervals, unwanted: Intervals) -> Intervals:
    """Return the parts of ``wanted`` that no interval of ``unwanted`` covers."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in zip(wanted.starts.tolist(), wanted.ends.tolist(), strict=True):
        first = int(np.searchsorted(unwanted.ends, start, side="right"))
        last = int(np.searchsorted(unwanted.starts, end, side="left"))
        borders = [start]
        for hole in range(first, last):
            borders += [int(unwanted.starts[hole]), int(unwanted.ends[hole])]
        borders.append(end)
        starts += borders[::2]
        ends += borders[1::2]
    left, right = np.array(starts, np.int64), np.array(ends, np.int64)
    kept = right > left
    return Intervals(left[kept], right[kept])


def cut(
    start: int,
    end: int,
    strand: str,
    settings: CorpusSettings,
    generator: np.random.Generator,
    *,
    max_offset: int,
    unknown: Intervals = EMPTY,
) -> Iterator[Piece]:
    """Cut a stretch without gaps into documents.

    Parameters
    ----------
    start, end
        The stretch, half-open, on the forward strand.
    strand
        ``"+"`` to read from ``start``, ``"-"`` to read from ``end``.
    max_offset
        Largest random offset of the first sentence; at most half of the stretch is skipped.
    unknown
        Runs of unknown bases of the contig.

    Yields
    ------
    Piece
        Documents in reading order. Sentences with too many N are left out and end a document.
    """
    length = end - start
    offset = int(generator.integers(0, min(max_offset, length // 2) + 1))
    borders = offset + _borders(length - offset, settings.sentence_length, generator)
    count = len(borders) - 1
    document = _documents(count, settings.sentences_per_document, generator)
    if strand == "+":
        lefts, rights = start + borders[:-1], start + borders[1:]
    else:
        lefts, rights = end - borders[1:], end - borders[:-1]
    kept = count_covered(unknown, lefts, rights) <= settings.max_n_share * (rights - lefts)
    new = np.diff(document, prepend=-1) > 0
    new[1:] |= ~kept[:-1]
    group = np.cumsum(new)
    lengths = (rights - lefts).astype(np.int32)
    for members in np.split(np.arange(count), np.flatnonzero(np.diff(group)) + 1):
        members = members[kept[members]]
        if len(members):
            interval = lefts[members].min(), rights[members].max()
            yield Piece(int(interval[0]), int(interval[1]), lengths[members])


def _borders(
    length: int, limits: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return 0, the ends of consecutive sentences, and ``length``, where the last is clipped."""
    shortest, longest = limits
    drawn = generator.integers(shortest, longest + 1, size=length // shortest + 1)
    ends = np.cumsum(drawn)
    return np.concatenate([[0], ends[ends < length], [length]])


def _documents(
    sentences: int, limits: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return the number of the document of each sentence; shape (sentences,)."""
    fewest, most = limits
    sizes = generator.integers(fewest, most + 1, size=sentences // fewest + 1)
    return np.repeat(np.arange(len(sizes)), sizes)[:sentences]
