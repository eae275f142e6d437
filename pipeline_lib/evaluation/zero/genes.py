"""Where genes, their parts and their sites are, from the annotation of an assembly."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.zero.held import Place
from pipeline_lib.finetuning.coding import LANDMARKS, Coding, Transcript
from pipeline_lib.genome.annotation import read_features
from pipeline_lib.intervals import Intervals

REGIONS = ("intergenic", "promoter", "other gene", "intron", "UTR", "RNA exon", "CDS")
"""Types of regions; a base that is in several counts for the last of them."""
SHORTEST_INTRON = 20
"""Shorter gaps between coding parts are shifts of the frame."""

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Regions:
    """Regions of one contig by type."""

    by_type: dict[str, Intervals]

    def of(self, start: int, end: int) -> NDArray[np.int8]:
        """Return the type of every base of a stretch, as an index of :data:`REGIONS`."""
        found = np.zeros(end - start, dtype=np.int8)
        for number, name in enumerate(REGIONS):
            some = self.by_type.get(name)
            if some is None:
                continue
            first = int(np.searchsorted(some.ends, start, side="right"))
            last = int(np.searchsorted(some.starts, end, side="left"))
            for one in range(first, last):
                found[max(some.starts[one] - start, 0) : max(some.ends[one] - start, 0)] = number
        return found


def read_regions(annotation: Path, contigs: set[str], promoter: int) -> dict[str, Regions]:
    """Read the regions of some contigs.

    Parameters
    ----------
    annotation
        ``annotation.gff3.gz`` of a genome folder.
    contigs
        Contigs whose regions are wanted.
    promoter
        Bases before the first one of a gene that count as its promoter.

    Returns
    -------
    dict
        By contig. UTRs are annotated as such, or parts of the exons of coding transcripts that
        are not coding. Introns lie between exons, or coding parts, of one transcript.
    """
    spans: dict[str, dict[str, Pairs]] = defaultdict(lambda: defaultdict(list))
    parts: dict[str, dict[tuple[str, str], Pairs]] = {"exon": defaultdict(list),
                                                      "CDS": defaultdict(list)}  # fmt: skip
    for feature in read_features(annotation):
        contig, pair = feature.contig, (feature.start, feature.end)
        if contig not in contigs or feature.type in LANDMARKS:
            continue
        if feature.type in parts:
            for name in feature.parents or (feature.id or "",):
                parts[feature.type][contig, name].append(pair)
            if feature.type == "CDS":
                spans[contig]["CDS"].append(pair)
        elif feature.type.endswith("UTR"):
            spans[contig]["UTR"].append(pair)
        elif not feature.parents:
            spans[contig]["other gene"].append(pair)
            spans[contig]["promoter"].append(_before(pair, feature.strand, promoter))
    for (contig, name), pairs in parts["exon"].items():
        coding = (contig, name) in parts["CDS"]
        spans[contig]["UTR" if coding else "RNA exon"].extend(pairs)
        spans[contig]["intron"].extend(_between(pairs))
    for (contig, name), pairs in parts["CDS"].items():
        if (contig, name) not in parts["exon"]:
            spans[contig]["intron"].extend(_between(pairs))
    return {
        contig: Regions({name: Intervals.of(pairs) for name, pairs in found.items()})
        for contig, found in spans.items()
    }


def _before(pair: tuple[int, int], strand: str, promoter: int) -> tuple[int, int]:
    if strand == "+":
        return max(0, pair[0] - promoter), pair[0]
    return (pair[1], pair[1] + promoter) if strand == "-" else (0, 0)


def _between(pairs: Pairs) -> Pairs:
    ordered = sorted(pairs)
    return [(left[1], right[0]) for left, right in pairwise(ordered) if right[0] > left[1]]


def sites_of(coding: Coding, assembly: str, contig: str) -> Iterator[tuple[str, Place]]:
    """Yield the sites of all transcripts of a contig, each once: their kind and first base.

    Kinds are ``start`` and ``stop`` codons, and splice ``donor`` (the first two bases of an
    intron) and ``acceptor`` sites (the last two), of introns between coding parts.
    """
    seen = set()
    for transcript in coding.transcripts:
        for kind, position in _sites(transcript):
            if (kind, position, transcript.strand) not in seen:
                seen.add((kind, position, transcript.strand))
                yield kind, Place(assembly, contig, transcript.strand, position, transcript.gene)


def _sites(transcript: Transcript) -> Iterator[tuple[str, int]]:
    forward = transcript.strand == "+"
    start, end = transcript.parts[0]
    if transcript.phase == 0 and end - start >= 3:
        yield "start", start if forward else end - 1
    start, end = transcript.parts[-1]
    if end - start >= 3:
        yield "stop", end - 3 if forward else start + 2
    for one, other in pairwise(transcript.parts):
        left, right = (one[1], other[0]) if forward else (other[1], one[0])
        if right - left >= SHORTEST_INTRON:
            yield "donor", left if forward else right - 1
            yield "acceptor", right - 2 if forward else left + 1


def codon_starts(transcript: Transcript) -> NDArray[np.int64]:
    """Return the first base of each codon that no intron splits, on the forward strand.

    The first and the last codon of the transcript are left out. In order of transcription.
    """
    found, skip = [], transcript.phase
    forward = transcript.strand == "+"
    for start, end in transcript.parts:
        offsets = np.arange(skip, end - start - 2, 3)
        found.append(start + offsets if forward else end - 1 - offsets)
        skip = (skip - (end - start)) % 3
    every = np.concatenate(found).astype(np.int64)
    return every[1:-1]
