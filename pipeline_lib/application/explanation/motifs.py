"""Files of motifs: the formats of JASPAR (and its older PFM) and of MEME."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_lib.application.explanation.model import Array
from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import read_lines

BASES = "ACGT"
PSEUDOCOUNT = 0.5
"""Added to the counts of the bases of a column, all together."""
_FORMATS = "motifs in the format of JASPAR or of MEME"
_ROW = re.compile(r"^\s*([ACGT])?\s*\[?\s*([-+\d.eE\s]+?)\s*\]?\s*$")


@dataclass(frozen=True)
class Motif:
    """A motif.

    Attributes
    ----------
    id, name
        As the file has them; the name may be empty.
    shares
        Of A, C, G and T in each column; (width, 4), rows sum to 1.
    """

    id: str
    name: str
    shares: Array

    @property
    def consensus(self) -> str:
        """The most frequent base of each column, in lower case where it is below a half."""
        best = self.shares.argmax(axis=1)
        return "".join(
            BASES[base] if self.shares[place, base] >= 0.5 else BASES[base].lower()
            for place, base in enumerate(best)
        )

    def turned(self) -> "Motif":
        """Return the motif as the other strand shows it."""
        return Motif(self.id, self.name, self.shares[::-1, ::-1])


def read_motifs(path: Path) -> list[Motif]:
    """Read the motifs of a file, whichever of the formats it is in.

    Raises
    ------
    InputError
        If the file holds no motif, or one that is not whole; the message names its line.
    """
    lines = list(read_lines(path, _FORMATS))
    head = next((text for _, text in lines if text.strip()), "")
    reader = _meme if head.startswith("MEME version") else _jaspar
    found = list(reader(path, lines))
    if not found:
        raise InputError(
            f"holds no motif; it begins with {head[:40]!r}",
            path=path,
            expected=_FORMATS,
            remedy="fetch the motifs again; in JASPAR's format each begins with a line `>ID NAME`",
        )
    return found


def _jaspar(path: Path, lines: list[tuple[int, str]]) -> Iterator[Motif]:
    """Yield motifs: a line ``>ID NAME``, then the counts of A, C, G and T."""
    header, start, rows = "", 0, dict[str, list[float]]()
    for number, text in [*lines, (0, ">")]:
        if text.startswith(">"):
            if header:
                yield _motif(path, start, header, rows)
            header, start, rows = text[1:].strip(), number, {}
        elif text.strip():
            if not start:
                raise _wrong(path, number, text, "a line `>ID NAME` before the counts")
            found = _ROW.match(text)
            base = (found[1] if found else None) or BASES[len(rows) % 4]
            if found is None or base in rows:
                raise _wrong(path, number, text, "counts of A, C, G and T, one line each")
            rows[base] = _numbers(path, number, found[2])
            header = header or f"line {start}"


def _motif(path: Path, start: int, header: str, rows: dict[str, list[float]]) -> Motif:
    missing = [base for base in BASES if base not in rows]
    lengths = sorted({len(row) for row in rows.values()})
    where = f"line {start}, motif {header!r}"
    if missing or len(lengths) != 1:
        raise InputError(
            f"has no counts of {', '.join(missing)}"
            if missing
            else f"has between {lengths[0]:,} and {lengths[-1]:,} counts of each base",
            path=path,
            where=where,
            expected="four lines, of A, C, G and T, with as many counts each",
            remedy="correct the motif, or fetch the file again",
        )
    names = header.split(maxsplit=1)
    counts = np.array([rows[base] for base in BASES]).T
    return _checked(path, where, names[0], names[1] if len(names) > 1 else "", counts)


def _meme(path: Path, lines: list[tuple[int, str]]) -> Iterator[Motif]:
    """Yield motifs: ``MOTIF ID NAME``, ``letter-probability matrix: ... w= WIDTH``, then rows."""
    identity, name, start, width, rows = "", "", 0, 0, list[list[float]]()
    for number, text in lines:
        words = text.split()
        if words[:1] == ["ALPHABET="] and words[1:2] != ["ACGT"]:
            raise _wrong(path, number, text, "`ALPHABET= ACGT`")
        if words[:1] == ["MOTIF"]:
            _whole(path, start, identity, rows, width)
            identity, name = ([*words[1:], ""])[:2] if len(words) > 1 else ("", "")
            start, width, rows = number, 0, []
        elif text.startswith("letter-probability matrix"):
            found = re.search(r"w=\s*(\d+)", text)
            if found is None or not start:
                raise _wrong(path, number, text, "`letter-probability matrix: w= WIDTH` of a MOTIF")
            width = int(found[1])
        elif width and len(rows) < width and words:
            row = _numbers(path, number, text)
            if len(row) != 4:
                raise _wrong(path, number, text, "four probabilities, of A, C, G and T")
            rows.append(row)
            if len(rows) == width:
                where = f"line {start}, motif {identity!r}"
                yield _checked(path, where, identity or f"line {start}", name, np.array(rows))
    _whole(path, start, identity, rows, width)


def _whole(path: Path, start: int, identity: str, rows: list[list[float]], width: int) -> None:
    if start and (not width or len(rows) < width):
        raise InputError(
            f"has {len(rows):,} rows" if width else "has no letter-probability matrix",
            path=path,
            where=f"line {start}, motif {identity!r}",
            expected=f"{width:,}, as its matrix says" if width else "a matrix with `w= WIDTH`",
            remedy="correct the motif, or fetch the file again",
        )


def _checked(path: Path, where: str, identity: str, name: str, counts: Array) -> Motif:
    totals = counts.sum(axis=1)
    if not len(counts) or (counts < 0).any() or not (totals > 0).all():
        raise InputError(
            "has a column without counts" if len(counts) else "has no column",
            path=path,
            where=where,
            expected="counts or probabilities of at least 0, some of them in every column",
            remedy="correct the motif, or leave it out",
        )
    # Probabilities are taken as they are, counts with a little of every base.
    added = PSEUDOCOUNT / 4 if (totals > 2).any() else 0.0
    shares = (counts + added) / (totals + 4 * added)[:, None]
    return Motif(identity, name, shares)


def _numbers(path: Path, number: int, text: str) -> list[float]:
    try:
        found = [float(word) for word in text.split()]
    except ValueError as error:
        raise _wrong(path, number, text, "numbers separated by spaces") from error
    if not all(np.isfinite(found)):
        raise _wrong(path, number, text, "finite numbers")
    return found


def _wrong(path: Path, number: int, text: str, expected: str) -> InputError:
    return InputError(
        f"cannot read {text.strip()[:60]!r}",
        path=path,
        where=f"line {number}",
        expected=expected,
        remedy="correct the line, or fetch the motifs again",
    )
