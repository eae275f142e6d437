"""Windows around a variant with either allele: of equal length, in both reading directions.

After an insertion bases are cut off at the far end of the window, after a deletion bases of the
genome are added there. What is far is a matter of direction: the reverse complement of a genome
gives the same two pairs of windows, the other way round. Only A, C, G and T are read: windows
near the end of a contig, or near unknown bases, are shifted away from it.
"""

from dataclasses import dataclass

from pipeline_lib.application.scoring.alleles import Change, UpperCase
from pipeline_lib.sequence import reverse_complement

_ONLY_BASES = bytes(letter if letter in b"ACGT" else ord("N") for letter in range(256))
LEAST = 4
"""Fewest bases of a window."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A variant as one strand shows it.

    Attributes
    ----------
    reference, alternative
        The window with either allele; both of one length, in reading direction.
    place
        Index in ``reference`` of the first base that is replaced.
    removed, added
        How many bases are replaced, and by how many.
    slide
        By how many bases the alternative window begins further on than the reference: 0 unless
        there was no genome left at the far end.
    focus
        Index in ``reference`` of the middle of the variant.
    """

    reference: bytes
    alternative: bytes
    place: int
    removed: int
    added: int
    slide: int
    focus: int


Pair = tuple[Reading, Reading]


def readings(genome: UpperCase, change: Change, length: int, word: int = 1) -> Pair | None:
    """Return a variant as the forward and as the reverse strand show it.

    Parameters
    ----------
    genome
        Source of the windows.
    change
        The variant, in its unique form.
    length
        Bases of a window; fewer where the contig has fewer.
    word
        Bases of a token: windows are whole tokens long.

    Returns
    -------
    tuple of Reading
        None if there are too few known bases around the variant.
    """
    start, end = change.start, change.start + change.span
    reach = length + len(change.removed) + len(change.added)
    first = max(start - reach, 0)
    text = genome.fetch(change.contig, first, min(end + reach, genome.contigs[change.contig]))
    known = text.translate(_ONLY_BASES)
    low = known.rfind(b"N", 0, start - first) + 1
    high = known.find(b"N", start - first)
    text = text[low : high if high >= 0 else len(text)]
    place = start - first - low
    if place + change.span > len(text):
        return None
    removed, added = change.removed, change.added
    forward = _reading(text, place, removed, added, change.shift, length, word)
    if forward is None:
        return None
    # The rightmost form is the leftmost one of the other strand.
    turned = _rotated(removed or added, change.shift) if change.shift else b""
    if change.shift:
        removed, added = (turned, b"") if removed else (b"", turned)
    other = reverse_complement(text)
    place = len(text) - place - change.shift - len(removed)
    reverse = _reading(
        other, place, reverse_complement(removed), reverse_complement(added), change.shift,
        length, word,
    )  # fmt: skip
    return None if reverse is None else (forward, reverse)


def _reading(
    text: bytes, place: int, removed: bytes, added: bytes, shift: int, length: int, word: int
) -> Reading | None:
    """Return the windows of a variant in its leftmost form, read from left to right."""
    gone, come = len(removed), len(added)
    changed = text[:place] + added + text[place + gone :]
    size = min(length, len(text), len(changed))
    size -= size % word if size >= word else 0
    span = min(gone + shift, max(gone, size // 2))
    if size < max(span, come, LEAST):
        return None
    start = min(max(place - (size - span) // 2, 0), len(text) - size)
    slide = 0
    if start + size > len(changed):  # a deletion at the end: more genome at the near end
        if start + come - gone >= 0:
            slide = come - gone
        else:
            start = len(changed) - size
    if not start <= place <= place + gone <= start + size:
        return None
    return Reading(
        text[start : start + size],
        changed[start + slide : start + slide + size],
        place - start,
        gone,
        come,
        slide,
        place - start + max(span - 1, 0) // 2,
    )


def _rotated(word: bytes, count: int) -> bytes:
    turn = count % len(word)
    return word[turn:] + word[:turn]
