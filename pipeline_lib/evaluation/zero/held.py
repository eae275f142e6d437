"""Held-out sequence: stretches, evenly spread pieces of them, and windows around bases."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.blocks import chosen_blocks, in_blocks
from pipeline_lib.evaluation.covered import covered
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals
from pipeline_lib.sequence import base_codes, reverse_complement


@dataclass(frozen=True, slots=True)
class Piece:
    """Held-out sequence within one block of 10 kb, on the forward strand.

    Attributes
    ----------
    block
        Number of the block among those that were chosen.
    letters
        Bases in upper case.
    soft_masked
        True where the file has a lower-case letter; shape (length,).
    """

    assembly: str
    contig: str
    start: int
    block: int
    letters: bytes
    soft_masked: NDArray[np.bool_]


@dataclass(frozen=True)
class Place:
    """A base of a gene, in whose direction the sequence around it is read.

    Attributes
    ----------
    position
        On the forward strand.
    """

    assembly: str
    contig: str
    strand: str
    position: int
    gene: str


class HeldOutSequence:
    """The test split of a corpus, as the reference has it.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the split.
    genomes
        Folder of each assembly, by name.
    """

    def __init__(self, documents: Path, genomes: dict[str, Path]) -> None:
        self._stretches, _ = covered(documents)
        self.genomes = {name: Genome(path) for name, path in genomes.items()}
        pairs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for one in self._stretches:
            pairs[one.assembly, one.contig].append((one.start, one.end))
        self.spans = {where: Intervals.of(some) for where, some in pairs.items()}

    def pieces(self, max_bases: int) -> Iterator[Piece]:
        """Yield evenly spread sequence: whole blocks of 10 kb, at least one."""
        spans = [(one.assembly, one.contig, one.start, one.end) for one in self._stretches]
        chosen = sorted(chosen_blocks(spans, max_bases, strands=1))
        numbers = {block: number for number, block in enumerate(chosen)}
        for assembly, contig, start, end in spans:
            for block, first, last in in_blocks(start, end):
                number = numbers.get((assembly, contig, block))
                if number is None:
                    continue
                letters = self.genomes[assembly].fetch(contig, first, last)
                codes = np.frombuffer(letters, dtype=np.uint8)
                yield Piece(assembly, contig, first, number, letters.upper(), codes >= ord("a"))

    def span(self, assembly: str, contig: str) -> Intervals:
        """Return what is held out of a contig."""
        return self.spans.get((assembly, contig), EMPTY)

    def window(self, place: Place, before: int, after: int) -> bytes | None:
        """Return sequence around a base, in the direction of its gene.

        Parameters
        ----------
        before, after
            Bases before the one in question, and from it on.

        Returns
        -------
        bytes or None
            Upper case; None if it is not held out as a whole, or holds other letters than A, C, G
            and T.
        """
        forward = place.strand == "+"
        start = place.position - before if forward else place.position - after + 1
        end = start + before + after
        if not self.span(place.assembly, place.contig).contains([start], [end])[0]:
            return None
        letters = self.genomes[place.assembly].fetch(place.contig, start, end).upper()
        if (base_codes(letters) > 3).any():
            return None
        return letters if forward else reverse_complement(letters)

    def close(self) -> None:
        """Close the files of the genomes."""
        for genome in self.genomes.values():
            genome.close()
