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
from pipeline_lib.intervals import Intervals

LETTER_N = np.frombuffer(b"Nn", dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Piece:
    """A document: its interval on the forward strand, and its sentences in reading order."""

    start: int
    end: int
    sentence_lengths: NDArray[np.int32]


def runs(flags: NDArray[np.bool_], shortest: int = 1) -> Intervals:
    """Return the runs of True that are at least ``shortest`` long."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    long_enough = ends - starts >= shortest
    return Intervals(starts[long_enough].astype(np.int64), ends[long_enough].astype(np.int64))


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
    unknown: NDArray[np.int64] | None = None,
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
        Number of N before each position of the contig; shape (contig length + 1,). None if the
        contig has no N.

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
    kept = np.ones(count, dtype=bool)
    if unknown is not None:
        kept = unknown[rights] - unknown[lefts] <= settings.max_n_share * (rights - lefts)
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
