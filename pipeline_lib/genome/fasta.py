"""FASTA, read as a stream and checked letter by letter.

Work is done on blocks of about a megabyte with the translation tables of ``bytes``, not line by
line, so that the time of a read is close to that of decompressing the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import read_blocks
from pipeline_lib.sequence import IUPAC

WIDTH = 80
LONGEST_HEADER = 1 << 20

_SPACE = b" \t\r\n"
_LETTERS = IUPAC + IUPAC.lower()
_U_TO_T = bytes.maketrans(b"Uu", b"Tt")
_AMINO_ACIDS = b"EFILPQefilpq"  # one-letter codes of amino acids that are not codes of bases
_OTHER_FORMATS = {
    "@": "FASTQ",
    "LOCUS": "GenBank flat file",
    "ID  ": "EMBL flat file",
    "##gff": "GFF",
    "##fileformat=VCF": "VCF",
    "#": "table",
}


@dataclass(slots=True)
class Record:
    """One record of a FASTA file.

    ``name`` is the first word of the header, ``description`` the rest, ``line`` the number of
    the header line. ``sequence`` has the case of the file, without white space, U as T.
    """

    name: str
    description: str
    line: int
    sequence: bytearray


class _Header(NamedTuple):
    line: int
    text: bytes


class _Letters(NamedTuple):
    line: int
    text: bytes


def read_fasta(path: Path) -> Iterator[Record]:
    """Yield the records of a plain, gzip or bgzip FASTA file; Windows line ends are fine.

    Only the record being read is in memory, provided that the caller lets go of the one before.

    Raises
    ------
    InputError
        If the file is not whole, not FASTA, or has a repeated name, a record without a name or
        sequence, or a letter that is not an IUPAC code of DNA or RNA.
    """
    seen: dict[str, int] = {}
    record: Record | None = None
    for piece in _pieces(path):
        if isinstance(piece, _Header):
            if record is not None:
                yield _finished(record, path)
            record = _begun(piece, seen, path)
        elif record is not None:
            record.sequence += _checked(piece, record, path)
        elif piece.text.strip():
            raise _no_header(piece, path)
    if record is None:
        raise InputError(
            "the file holds nothing but blank lines", path=path, remedy="give a FASTA file"
        )
    yield _finished(record, path)


def wrap(sequence: bytes | bytearray, width: int = WIDTH) -> Iterator[bytes]:
    """Yield a sequence broken into lines, some thousand lines at a time.

    >>> b"".join(wrap(b"ACGTA", width=2))
    b'AC\\nGT\\nA\\n'
    """
    step = width * 8192
    for start in range(0, len(sequence), step):
        piece = np.frombuffer(sequence[start : start + step], dtype=np.uint8)
        whole = len(piece) // width
        lines = np.full((whole, width + 1), ord("\n"), dtype=np.uint8)  # (line, column)
        lines[:, :width] = piece[: whole * width].reshape(whole, width)
        yield lines.tobytes()
        if rest := piece[whole * width :].tobytes():
            yield rest + b"\n"


def _pieces(path: Path) -> Iterator[_Header | _Letters]:
    """Cut the file into headers (whole) and stretches of sequence lines (in any number)."""
    line, line_start, unfinished = 1, True, b""
    for block in read_blocks(path, "FASTA"):
        block = unfinished + block
        unfinished, position = b"", 0
        while position < len(block):
            if line_start and block[position] == ord(">"):
                end = block.find(b"\n", position)
                if end < 0:
                    unfinished = block[position:]
                    _check_header_length(unfinished, line, path)
                    break
                yield _Header(line, block[position + 1 : end])
                position, line = end + 1, line + 1
            else:
                end = block.find(b"\n>", position)
                piece = block[position : end + 1 if end >= 0 else len(block)]
                yield _Letters(line, piece)
                position, line = position + len(piece), line + piece.count(b"\n")
                line_start = piece.endswith(b"\n")
    if unfinished:
        yield _Header(line, unfinished[1:])


def _begun(header: _Header, seen: dict[str, int], path: Path) -> Record:
    text = header.text.decode(errors="replace").rstrip()
    where = f"line {header.line}"
    if "\r" in text:
        raise InputError(
            "lines end with a bare carriage return (old Macintosh)",
            path=path,
            where=where,
            remedy=r"convert the file with `tr '\r' '\n' < old.fa > new.fa`",
        )
    if not text or text[0].isspace():
        raise InputError(
            "the header holds no name",
            path=path,
            where=where,
            expected="a name right after `>`",
            remedy="name the record",
        )
    name, *rest = text.split(maxsplit=1)
    if name in seen:
        raise InputError(
            f"record name {name!r} appears twice, first in line {seen[name]}",
            path=path,
            where=where,
            remedy="remove or rename one of the two records",
        )
    seen[name] = header.line
    return Record(name, rest[0] if rest else "", header.line, bytearray())


def _checked(piece: _Letters, record: Record, path: Path) -> bytes:
    """Return the letters of a stretch of lines, or raise the error that names the first bad one."""
    strange = piece.text.translate(None, _LETTERS + _SPACE)
    if not strange:
        return piece.text.translate(_U_TO_T, _SPACE)
    offset = piece.text.index(strange[:1])
    where = f"line {piece.line + piece.text.count(bytes([10]), 0, offset)}, record {record.name!r}"
    letter = strange[:1].decode("latin-1")
    shown = repr(letter) if letter.isprintable() else f"the byte 0x{strange[0]:02x}"
    amino_acids = len(piece.text) - len(piece.text.translate(None, _AMINO_ACIDS))
    if amino_acids > 0.1 * len(piece.text):
        problem = f"{shown} is not a base; this looks like a protein FASTA"
        remedy = "give the genome sequence (often named *.dna.*, *_genomic.fna or *.fa)"
    elif letter in "-.":
        problem, remedy = f"{shown} is the gap of an alignment", "give the sequence without gaps"
    else:
        problem, remedy = f"{shown} is not a base", "correct the letter, or write N in its place"
    expected = f"IUPAC codes {IUPAC.decode()} in either case"
    raise InputError(problem, path=path, where=where, expected=expected, remedy=remedy)


def _finished(record: Record, path: Path) -> Record:
    if not record.sequence:
        raise InputError(
            f"record {record.name!r} has no sequence",
            path=path,
            where=f"line {record.line}",
            expected="at least one base after the header",
            remedy="remove the record, or fetch the file again if it was cut short",
        )
    return record


def _check_header_length(unfinished: bytes, line: int, path: Path) -> None:
    if len(unfinished) > LONGEST_HEADER:
        raise InputError(
            f"the header is longer than {LONGEST_HEADER:,} bytes",
            path=path,
            where=f"line {line}",
            expected="a line end between header and sequence",
            remedy="check that this is a FASTA file with ordinary line ends",
        )


def _no_header(piece: _Letters, path: Path) -> InputError:
    text = piece.text.lstrip()
    skipped = piece.text[: len(piece.text) - len(text)].count(b"\n")
    start = text[:20].decode("latin-1")
    kind = next((k for sign, k in _OTHER_FORMATS.items() if start.startswith(sign)), None)
    guess = f"; this looks like a {kind} file" if kind else ""
    return InputError(
        f"the file starts with {start.splitlines()[0]!r}{guess}",
        path=path,
        where=f"line {piece.line + skipped}",
        expected="a FASTA header, which starts with `>`",
        remedy="give a FASTA file",
    )
