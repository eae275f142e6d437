"""FASTA files of examples, where names may repeat, and the places that their headers tell."""

import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.rows import clean_sequence
from pipeline_lib.genome.source import read_lines

_BEDTOOLS = re.compile(r"(?P<contig>\S+?):(?P<start>\d+)-(?P<end>\d+)\((?P<strand>[+-])\)")


class Example(NamedTuple):
    """A record of a FASTA file; ``line`` is that of its header."""

    line: int
    header: str
    sequence: str


class Place(NamedTuple):
    """A half-open interval on the forward strand, read in the direction of ``strand``."""

    contig: str
    start: int
    end: int
    strand: str


def find_files(patterns: tuple[str, ...], what: str) -> list[Path]:
    """Return the files of several paths or patterns, sorted by name within each.

    Raises
    ------
    InputError
        If a pattern finds no file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = sorted(glob(pattern))  # noqa: PTH207  (Path.glob takes no absolute pattern)
        if not matches:
            raise InputError(
                "no file is found",
                path=pattern,
                expected=what,
                remedy="fetch the files, or correct the path; it counts from the folder in which "
                "snakemake runs",
            )
        found |= dict.fromkeys(Path(match) for match in matches)
    return list(found)


def read_records(path: Path) -> Iterator[Example]:
    """Yield the records of a plain or compressed FASTA file, sequences in upper case, U as T.

    Unlike the records of a genome, several may have one name.

    Raises
    ------
    InputError
        If the file is not FASTA, or a record has no sequence or a letter that is no IUPAC code.
    """
    header, start, parts = "", 0, list[str]()
    for number, text in read_lines(path, "FASTA"):
        line = text.strip()
        if line.startswith(">"):
            if start:
                yield _record(path, start, header, parts)
            header, start, parts = line[1:].strip(), number, []
        elif line and not start:
            raise InputError(
                f"the file starts with {line[:20]!r}",
                path=path,
                where=f"line {number}",
                expected="a FASTA header, which starts with `>`",
                remedy="give a FASTA file",
            )
        elif line:
            parts.append(line)
    if not start:
        raise InputError("the file holds no record", path=path, remedy="give a FASTA file")
    yield _record(path, start, header, parts)


def place_of(header: str) -> Place | None:
    """Return the place that a header such as ``chr20:2320888-2321694(+)`` tells, if it does.

    >>> place_of("chr20:100-200(-)")
    Place(contig='chr20', start=100, end=200, strand='-')
    """
    found = _BEDTOOLS.fullmatch(header)
    if found is None:
        return None
    return Place(found["contig"], int(found["start"]), int(found["end"]), found["strand"])


def _record(path: Path, line: int, header: str, parts: list[str]) -> Example:
    where = f"line {line}, record {header!r}"
    return Example(line, header, clean_sequence("".join(parts), path, where))
