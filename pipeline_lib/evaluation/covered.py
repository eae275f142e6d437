"""The sequence that a split of a corpus covers, each base once, as codes for counting words."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.blocks import chosen_blocks, in_blocks
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals
from pipeline_lib.sequence import base_codes, reverse_complement

PIECE = 4_000_000

Codes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a contig, half-open."""

    assembly: str
    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Held-out bases to be predicted, on both strands where the corpus has both.

    Attributes
    ----------
    words, context
        The word that each base ends and the bases known before it, as returned by
        :func:`context_words`; shape (bases,).
    block
        Number of the block of 10 kb that each base lies in, the same for both strands.
    """

    words: NDArray[np.int64]
    context: NDArray[np.int64]
    block: NDArray[np.int64]

    def per_block(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of a value of each base over every block; shape (blocks,)."""
        return np.bincount(self.block, weights=values).astype(np.float64)


def covered(documents: Path) -> tuple[list[Stretch], int]:
    """Return the stretches that documents cover, each base once, and the number of strands.

    Raises
    ------
    InputError
        If there are no documents.
    """
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    strands = set()
    for document in read_documents(documents):
        spans[document.assembly, document.contig].append((document.start, document.end))
        strands.add(document.strand)
    if not spans:
        raise InputError(
            "has no documents",
            path=documents,
            remedy="hold out contigs in `corpus.holdouts` that leave sequence in every split",
        )
    stretches = []
    for (assembly, contig), pairs in sorted(spans.items()):
        union = Intervals.of(pairs)
        for start, end in zip(union.starts.tolist(), union.ends.tolist(), strict=True):
            stretches.append(Stretch(assembly, contig, start, end))
    return stretches, len(strands)


def pieces(
    stretches: list[Stretch], genomes: dict[str, Path], *, context: int, both: bool
) -> Iterator[tuple[Codes, int]]:
    """Yield the bases of some stretches, a few million at a time, on one strand or both.

    Yields
    ------
    codes
        Bases as 0 to 3, any other letter as 4; shape (length,).
    skip
        How many of the first ones belong to the piece before, and are there as context alone.
    """
    for stretch, genome in _with_genomes(stretches, genomes):
        for start in range(stretch.start, stretch.end, PIECE):
            end = min(start + PIECE, stretch.end)
            left = min(context, start - stretch.start)
            right = min(context, stretch.end - end) if both else 0
            letters = genome.fetch(stretch.contig, start - left, end + right)
            yield base_codes(letters[: left + end - start]), left
            if both:
                yield base_codes(reverse_complement(letters[left:])), right


def held_out(documents: Path, genomes: dict[str, Path], order: int, max_bases: int) -> HeldOut:
    """Read the bases of a held-out split, or an evenly spread part of them.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the split.
    genomes
        Folder of each assembly, by name.
    order
        Longest context that is wanted.
    max_bases
        Most bases to read, on both strands if the split has both: whole blocks of 10 kb.
    """
    stretches, strands = covered(documents)
    chosen = chosen_blocks(
        [(s.assembly, s.contig, s.start, s.end) for s in stretches], max_bases, strands=strands
    )
    numbers = {block: number for number, block in enumerate(sorted(chosen))}
    parts: list[tuple[NDArray[np.int64], ...]] = []
    opened = {name: Genome(path) for name, path in genomes.items()}
    wanted = (
        (stretch, start, end, numbers[stretch.assembly, stretch.contig, block])
        for stretch in stretches
        for block, start, end in in_blocks(stretch.start, stretch.end)
        if (stretch.assembly, stretch.contig, block) in numbers
    )
    for stretch, start, end, number in wanted:
        left = min(order, start - stretch.start)
        right = min(order, stretch.end - end)
        genome = opened[stretch.assembly]
        letters = genome.fetch(stretch.contig, start - left, end + right)
        sides = [(letters[: left + end - start], left)]
        if strands == 2:
            sides.append((reverse_complement(letters[left:]), right))
        parts.extend(_scored(base_codes(side), skip, order, number) for side, skip in sides)
    for genome in opened.values():
        genome.close()
    words, context, blocks = (np.concatenate(column) for column in zip(*parts, strict=True))
    return HeldOut(words, context, blocks)


def context_words(codes: Codes, order: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each base the word of ``order`` + 1 bases that it ends, and its context.

    Parameters
    ----------
    codes
        Bases as 0 to 3; 4 breaks the sequence. Shape (length,).
    order
        Longest context.

    Returns
    -------
    words
        Words as numbers, the first base most significant. Only the last ``context`` + 1 bases
        of a word are to be used: those before are unknown.
    context
        Bases known before each one, at most ``order``; -1 at a break.
    """
    index = np.arange(len(codes))
    last_break = np.maximum.accumulate(np.where(codes > 3, index, -1))
    context = np.minimum(index - last_break - 1, order)
    bases = np.where(codes > 3, 0, codes).astype(np.int64)
    words = np.zeros(len(codes), dtype=np.int64)
    for back in range(min(order + 1, len(codes))):
        words[back:] |= bases[: len(codes) - back] << (2 * back)
    return words, context


def _scored(
    codes: Codes, skip: int, order: int, number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    words, context = context_words(codes, order)
    wanted = (np.arange(len(codes)) >= skip) & (context >= 0)
    count = int(wanted.sum())
    return words[wanted], context[wanted], np.full(count, number, dtype=np.int64)


def _with_genomes(
    stretches: list[Stretch], genomes: dict[str, Path]
) -> Iterator[tuple[Stretch, Genome]]:
    opened: Genome | None = None
    name = None
    for stretch in stretches:  # sorted by assembly: one is open at a time
        if opened is None or stretch.assembly != name:
            if opened is not None:
                opened.close()
            opened, name = Genome(genomes[stretch.assembly]), stretch.assembly
        yield stretch, opened
    if opened is not None:
        opened.close()
