"""Variants as changes of sequence: checked, trimmed and placed as far left as they go.

An insertion or deletion in a repeat can be written in several places. Tan et al. 2015 give the
unique form: no base in common at either end, and no place further left that gives the same
sequence. Every form of a variant is scored as that one.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pipeline_lib.application.fasta import Sequences

_BASES = re.compile(rb"[ACGTacgt]*\Z")
_NOT_BASES = bytes(set(range(256)) - set(b"ACGTacgt"))
BLOCK = 1 << 16
STEP = 256

MISSING, SPANNING, SYMBOLIC, BREAKEND, LETTERS = (
    "MISSING_ALT", "SPANNING_DELETION", "SYMBOLIC_ALT", "BREAKEND", "NOT_ACGT",
)  # fmt: skip
CONTIG, OUTSIDE, MISMATCH, UNKNOWN_BASES, LONG, NO_ROOM = (
    "UNKNOWN_CONTIG", "OUTSIDE_CONTIG", "REF_MISMATCH", "GENOME_NOT_ACGT", "ALLELE_TOO_LONG",
    "NO_SEQUENCE_AROUND",
)  # fmt: skip
REASONS = {
    MISSING: "there is no alternative allele",
    SPANNING: "the allele `*`: a deletion that another record states",
    SYMBOLIC: "an allele such as <DEL>, whose sequence is not given",
    BREAKEND: "a breakend",
    LETTERS: "an allele with letters other than A, C, G and T",
    CONTIG: "the genome has no such contig",
    OUTSIDE: "the place lies past the end of the contig",
    MISMATCH: "the reference allele is not what the genome has there",
    UNKNOWN_BASES: "the genome has letters other than A, C, G and T there",
    LONG: "an allele longer than half of the model's window",
    NO_ROOM: "too few known bases around it",
}
"""Why an alternative allele may have no scores."""


class UpperCase:
    """A genome in upper case, with the blocks read last kept: neighbours share their windows.

    Parameters
    ----------
    genome
        Any source of sequence.
    """

    def __init__(self, genome: Sequences) -> None:
        self.contigs, self.resolve = genome.contigs, genome.resolve
        self._block = lru_cache(maxsize=16)(
            lambda contig, number: genome.fetch(
                contig, number * BLOCK, min((number + 1) * BLOCK, genome.contigs[contig])
            ).upper()
        )

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return bases ``start`` to ``end`` (0-based, half-open) in upper case."""
        first, last = start // BLOCK, max(end - 1, start) // BLOCK
        if first == last:
            part: bytes = self._block(contig, first)
            return part[start - first * BLOCK : end - first * BLOCK]
        joined = b"".join(self._block(contig, number) for number in range(first, last + 1))
        return joined[start - first * BLOCK : end - first * BLOCK]


class InMemory:
    """One sequence as a genome of one contig.

    Parameters
    ----------
    sequence
        Bases in either case.
    name
        Of the contig.
    """

    def __init__(self, sequence: bytes, name: str = "sequence") -> None:
        self.contigs = {name: len(sequence)}
        self._sequence = sequence

    def resolve(self, name: str) -> str | None:
        """Return the contig that goes by ``name``, or None."""
        return name if name in self.contigs else None

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return bases ``start`` to ``end`` (0-based, half-open)."""
        return self._sequence[start:end] if contig in self.contigs else b""


@dataclass(frozen=True, slots=True)
class Change:
    """What a variant replaces, in its leftmost form.

    Attributes
    ----------
    contig
        The genome's name of it.
    start
        First base that is replaced, 0-based, or the one before which something is inserted.
    removed, added
        Bases without what both ends have in common; upper case.
    shift
        How many bases further right the same insertion or deletion can be placed.
    """

    contig: str
    start: int
    removed: bytes
    added: bytes
    shift: int = 0

    @property
    def span(self) -> int:
        """Bases of the reference that one form or another of the variant touches."""
        return len(self.removed) + self.shift


def unusable(ref: str, alt: str) -> str:
    """Return why an allele cannot be scored whatever the genome, or "".

    >>> unusable("A", "<DEL>"), unusable("A", "T")
    ('SYMBOLIC_ALT', '')
    """
    if alt in ("", "."):
        return MISSING
    if alt == "*":
        return SPANNING
    if alt.startswith("<"):
        return SYMBOLIC
    if "[" in alt or "]" in alt or alt.startswith(".") or alt.endswith("."):
        return BREAKEND
    if not ref or not _BASES.match(ref.encode()) or not _BASES.match(alt.encode()):
        return LETTERS
    return ""


def misplaced(genome: UpperCase, contig: str | None, start: int, ref: str) -> str:
    """Return what is wrong with the place or the reference allele of a variant, or ""."""
    if contig is None:
        return CONTIG
    if start < 0 or start + len(ref) > genome.contigs[contig]:
        return OUTSIDE
    if not _BASES.match(ref.encode()):
        return LETTERS
    there = genome.fetch(contig, start, start + len(ref))
    if there == ref.upper().encode():
        return ""
    return UNKNOWN_BASES if there.translate(None, _NOT_BASES) != there else MISMATCH


def normalised(genome: UpperCase, contig: str, start: int, ref: str, alt: str) -> Change:
    """Return a variant in its unique form.

    Parameters
    ----------
    genome
        Whose bases at ``start`` are ``ref``.
    contig, start
        The genome's name of the contig; 0-based.
    ref, alt
        Alleles of A, C, G and T in either case.
    """
    removed, added = ref.upper().encode(), alt.upper().encode()
    while removed and added and removed[-1] == added[-1]:
        removed, added = removed[:-1], added[:-1]
    while removed and added and removed[0] == added[0]:
        removed, added, start = removed[1:], added[1:], start + 1
    if bool(removed) == bool(added):
        return Change(contig, start, removed, added)
    moved = removed or added
    left = _repeated(genome, contig, start, moved, -1)
    turn = left % len(moved)
    moved = moved[-turn:] + moved[:-turn] if turn else moved
    start -= left
    right = _repeated(genome, contig, start + len(removed), moved, 1)
    return Change(contig, start, moved if removed else b"", moved if added else b"", right)


def _repeated(genome: UpperCase, contig: str, place: int, word: bytes, step: int) -> int:
    """Return how many bases left (-1) or right (1) of a place go on repeating a word."""
    count, size = 0, genome.contigs[contig]
    while True:
        if step > 0:
            text = genome.fetch(contig, place + count, min(place + count + STEP, size))
        else:
            text = genome.fetch(contig, max(place - count - STEP, 0), place - count)[::-1]
        for letter in text:
            index = count % len(word) if step > 0 else -1 - count % len(word)
            if letter != word[index] or letter not in b"ACGT":
                return count
            count += 1
        if not text:
            return count
