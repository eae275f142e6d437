"""Reading the contigs of an assembly once: what is unknown, soft-masked, or held out elsewhere.

A few million bases are in memory at a time, whatever the length of a contig.
"""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.corpus import Homology
from pipeline_lib.corpus.cut import LOWER_CASE, UNKNOWN, letter_runs
from pipeline_lib.corpus.homology import shared_regions
from pipeline_lib.corpus.kmers import K
from pipeline_lib.corpus.sketch import Sketch, as_letters
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals

BLOCK = 4_000_000


SEEN = ("before", "after")
"""Which held-out 31-mers training sequence has: before and after the homology filter."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was found on a contig.

    Attributes
    ----------
    lower
        Runs of lower-case letters.
    unknown
        Runs of letters other than A, C, G and T.
    homologous
        Stretches that are near copies of held-out sequence.
    """

    lower: Intervals
    unknown: Intervals
    homologous: Intervals


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for on the contigs of an assembly.

    Attributes
    ----------
    sketch
        31-mers of all held-out sequence.
    training
        What would be training sequence without a homology filter, by contig.
    copies
        Near copies of held-out sequence that are known already, by contig.
    seen
        Set to True: for each of ``SEEN``, which 31-mers of the sketch are in training sequence;
        shape (2, k-mers).
    """

    sketch: Sketch
    homology: Homology
    training: Mapping[str, Intervals]
    copies: Mapping[str, Intervals]
    seen: NDArray[np.bool_]


def scan_contigs(
    genome: Path, contigs: Mapping[str, int], search: Search, *, workers: int
) -> Iterator[tuple[str, Scanned]]:
    """Yield the contigs in order; the next ones are scanned meanwhile by ``workers`` threads."""
    local = threading.local()

    def work(contig: str, length: int) -> Scanned:
        if not hasattr(local, "genome"):
            local.genome = Genome(genome)  # a reader of its own for each thread
        return scan(local.genome, contig, length, search)

    waiting: deque[tuple[str, Future[Scanned]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for contig, length in contigs.items():
            waiting.append((contig, pool.submit(work, contig, length)))
            if len(waiting) > workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for name, future in waiting:
            yield name, future.result()


def scan(genome: Genome, contig: str, length: int, search: Search) -> Scanned:
    """Scan a contig, block by block."""
    homology, training = search.homology, search.training.get(contig, EMPTY)
    lower, unknown, homologous = list[Intervals](), list[Intervals](), [EMPTY]
    # Blocks overlap, so that every window of the homology filter lies in one of them.
    overlap = max(homology.min_length, K) - 1
    for begin in range(0, length, BLOCK):
        letters = as_letters(genome.fetch(contig, begin, min(begin + BLOCK + overlap, length)))
        own = letters[:BLOCK]
        lower.append(_moved(letter_runs(own, LOWER_CASE), begin))
        unknown.append(_moved(letter_runs(own, UNKNOWN), begin))
        if homology.method == "sketch" and (begin == 0 or len(letters) > overlap):
            shared = shared_regions(
                search.sketch, letters,
                min_length=homology.min_length, min_share=homology.min_share,
            )  # fmt: skip
            homologous.append(_moved(shared, begin))
        # A window that covers a base of this block begins in it or in the one before.
        left_out = _joined([*homologous[-2:], search.copies.get(contig, EMPTY)])
        for starts, numbers in search.sketch.find(letters[: BLOCK + K - 1]):
            hits = numbers >= 0
            places, found = starts[hits] + begin, numbers[hits]
            inside = training.contains(places, places + K)
            search.seen[0, found[inside]] = True
            if homology.method != "none":
                inside &= ~left_out.overlaps(places, places + K)
            search.seen[1, found[inside]] = True
    return Scanned(_joined(lower), _joined(unknown), _joined(homologous))


def _moved(spans: Intervals, by: int) -> Intervals:
    return Intervals(spans.starts + by, spans.ends + by)


def _joined(parts: list[Intervals]) -> Intervals:
    if not parts:
        return EMPTY
    starts = np.concatenate([part.starts for part in parts])
    return Intervals.union(starts, np.concatenate([part.ends for part in parts]))
