"""What a person pastes, as a name and upper-case letters; a region, as its bases."""

import re
from typing import NamedTuple

from pipeline_lib.application.fasta import Sequences
from pipeline_lib.sequence import IUPAC

SHOWN = 200
"""Letters of a name that are kept."""
_REGION = re.compile(r"(?P<contig>\S{1,200}):(?P<start>[\d,]{1,15})(?:-|\.\.)(?P<end>[\d,]{1,15})")
_OTHERS = re.compile(rb"[^ACGT]")
_BLANK = re.compile(r"\s+")


class BadInput(ValueError):  # noqa: N818  (it is about what was sent, and no failure of ours)
    """What was sent cannot be used; its text is a sentence for the person who sent it."""


class Named(NamedTuple):
    """A sequence.

    Attributes
    ----------
    name
        Of the record or contig; "" if it has none.
    bases
        Upper-case A, C, G, T and N.
    start
        Of the first base on its contig, 0-based; 0 if it has none.
    """

    name: str
    bases: bytes
    start: int = 0


def read_sequence(text: str, most: int) -> Named:
    """Return a sequence that was pasted: bare letters, or one FASTA record.

    White space and digits at the beginnings of lines (as in GenBank files) are left out, U is read
    as T, any other IUPAC letter as N.

    Raises
    ------
    BadInput
        If there is more than one record, no letter, a letter that is none of IUPAC's, or more
        letters than ``most``.
    """
    name, lines = "", text.strip().splitlines()
    if lines and lines[0].startswith(">"):
        name = _printable(lines[0][1:].strip())
        lines = lines[1:]
    if any(line.startswith(">") for line in lines):
        raise BadInput("There is more than one FASTA record; paste one at a time.")
    joined = "".join(_BLANK.sub("", line).lstrip("0123456789") for line in lines).upper()
    if not joined:
        raise BadInput("There is no sequence; paste letters A, C, G, T.")
    for place, letter in enumerate(joined):
        if letter.encode("utf-8", "replace") not in _LETTERS:
            raise BadInput(
                f"Letter {place + 1:,} of the sequence is {letter!a}, which is no letter of "
                "DNA; expected A, C, G, T, N or another letter of IUPAC's."
            )
    _check_length(len(joined), most)
    return Named(name, _cleaned(joined.encode()))


def read_region(text: str, genome: Sequences | None, most: int) -> Named:
    """Return a region of the genome, given as ``chrI:1,000-2,000``: from 1 on, both ends included.

    Raises
    ------
    BadInput
        If no genome was given to the server, or it has no such region, or that is too long.
    """
    if genome is None:
        raise BadInput("The server was started without a genome; paste a sequence instead.")
    found = _REGION.fullmatch(text.strip())
    if not found:
        raise BadInput("The region is not understood; expected for example chrI:1000-2000.")
    contig = genome.resolve(found["contig"])
    if contig is None:
        known = ", ".join(list(genome.contigs)[:5])
        raise BadInput(
            f"The genome has no contig {ascii(found['contig'])[1:-1]}; its first ones are {known}."
        )
    digits = [found[name].replace(",", "") or "0" for name in ("start", "end")]
    first, last, length = int(digits[0]), int(digits[1]), genome.contigs[contig]
    if not 1 <= first <= last <= length:
        raise BadInput(
            f"{first:,}-{last:,} does not lie inside {contig}, which has bases 1 to {length:,}."
        )
    _check_length(last - first + 1, most)
    return Named(contig, _cleaned(genome.fetch(contig, first - 1, last).upper()), first - 1)


_LETTERS = {bytes([letter]) for letter in IUPAC}


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise BadInput(f"The sequence has {length:,} bases; at most {most:,} are taken at a time.")


def _cleaned(letters: bytes) -> bytes:
    return _OTHERS.sub(b"N", letters.replace(b"U", b"T"))


def _printable(name: str) -> str:
    """Return a name without control characters and halves of characters."""
    whole = name.encode("utf-8", "ignore").decode("utf-8", "ignore")
    return "".join(letter for letter in whole if letter.isprintable())[:SHOWN]
