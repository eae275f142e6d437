"""Reading the contigs of an assembly once: what is unknown, soft-masked, or held out elsewhere.

A few million bases are in memory at a time, whatever the length of a contig.
"""

import threading
from collections.abc import Iterator
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
    places, found
        Start of each 31-mer that is held out somewhere, and its number in the sketch; shape
        (hits,).
    """

    lower: Intervals
    unknown: Intervals
    homologous: Intervals
    places: NDArray[np.int64]
    found: NDArray[np.int64]


def scan_contigs(
    genome: Path, contigs: dict[str, int], sketch: Sketch, homology: Homology, *, workers: int
) -> Iterator[tuple[str, Scanned]]:
    """Yield the contigs in order; the next ones are scanned meanwhile by ``workers`` threads."""
    local = threading.local()

    def work(contig: str, length: int) -> Scanned:
        if not hasattr(local, "genome"):
            local.genome = Genome(genome)  # a reader of its own for each thread
        return scan(local.genome, contig, length, sketch, homology)

    waiting: list[tuple[str, Future[Scanned]]] = []
    with ThreadPoolExecutor(workers) as pool:
        for contig, length in contigs.items():
            waiting.append((contig, pool.submit(work, contig, length)))
            if len(waiting) > workers:
                first, future = waiting.pop(0)
                yield first, future.result()
        for name, future in waiting:
            yield name, future.result()


def scan(genome: Genome, contig: str, length: int, sketch: Sketch, homology: Homology) -> Scanned:
    """Scan a contig, block by block."""
    lower, unknown, homologous = list[Intervals](), list[Intervals](), list[Intervals]()
    places, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    # Blocks overlap, so that every window of the homology filter lies in one of them.
    overlap = max(homology.min_length, K) - 1
    for begin in range(0, length, BLOCK):
        letters = as_letters(genome.fetch(contig, begin, min(begin + BLOCK + overlap, length)))
        own = letters[:BLOCK]
        lower.append(_moved(letter_runs(own, LOWER_CASE), begin))
        unknown.append(_moved(letter_runs(own, UNKNOWN), begin))
        if homology.method == "sketch" and (begin == 0 or len(letters) > overlap):
            shared = shared_regions(
                sketch, letters, min_length=homology.min_length, min_share=homology.min_share
            )
            homologous.append(_moved(shared, begin))
        for starts, numbers in sketch.find(letters[: BLOCK + K - 1]):
            hits = numbers >= 0
            places.append(starts[hits] + begin)
            found.append(numbers[hits])
    return Scanned(
        _joined(lower), _joined(unknown), _joined(homologous),
        np.concatenate(places), np.concatenate(found),
    )  # fmt: skip


def inside(places: NDArray[np.int64], spans: Intervals) -> NDArray[np.bool_]:
    """Return for each 31-mer whether all of it lies in one of some intervals; shape (places,)."""
    return spans.contains(places, places + K)


def _moved(spans: Intervals, by: int) -> Intervals:
    return Intervals(spans.starts + by, spans.ends + by)


def _joined(parts: list[Intervals]) -> Intervals:
    if not parts:
        return EMPTY
    starts = np.concatenate([part.starts for part in parts])
    return Intervals.union(starts, np.concatenate([part.ends for part in parts]))
