"""GFF3, read line by line: nine columns, 1-based inclusive coordinates, escaped attributes.

https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import quote, unquote

from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import read_lines

COLUMNS = ["seqid", "source", "type", "start", "end", "score", "strand", "phase", "attributes"]
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SEQID_SAFE = ".:^*$@!+_?-|"  # what the first column may hold unescaped, beside letters and digits


@dataclass(frozen=True, slots=True)
class Feature:
    """One line of an annotation; ``start`` and ``end`` are 0-based, half-open.

    ``phase`` is the number of bases to skip to the first base of a codon, None if not given.
    ``attributes`` are unescaped.
    """

    contig: str
    start: int
    end: int
    strand: str
    type: str
    phase: int | None
    attributes: dict[str, str]

    @property
    def id(self) -> str | None:
        """Identifier that children refer to, if there is one."""
        return self.attributes.get("ID")

    @property
    def parents(self) -> tuple[str, ...]:
        """Identifiers of the features this one is part of."""
        parents = self.attributes.get("Parent", "")
        return tuple(parents.split(",")) if parents else ()


class Line(NamedTuple):
    """A feature with the line it was read from."""

    number: int
    text: str
    feature: Feature


def read_features(path: Path, types: Collection[str] | None = None) -> Iterator[Feature]:
    """Yield the features of a plain, gzip or bgzip GFF3 file, in file order.

    Parameters
    ----------
    path
        The file; reading ends at its ``##FASTA`` part, if it has one.
    types
        Types to yield (``{"gene", "CDS"}``); all if None.

    Raises
    ------
    InputError
        If the file is not whole, or a line is malformed; the message names the line.
    """
    for line in read_gff3(path, types):
        yield line.feature


def read_gff3(path: Path, types: Collection[str] | None = None) -> Iterator[Line]:
    """Yield the features with their lines; see :func:`read_features`."""
    for number, text in read_lines(path, "GFF3"):
        if text.startswith(("##FASTA", ">")):
            return
        if text.startswith("#") or not text.strip():
            continue
        columns = text.split("\t")
        if types is not None and len(columns) == len(COLUMNS) and columns[2] not in types:
            continue
        try:
            _check_characters(text)
            yield Line(number, text, parse_feature(columns))
        except _MalformedError as problem:
            raise InputError(
                problem.text,
                path=path,
                where=f"line {number}",
                expected=problem.expected,
                remedy=problem.remedy,
            ) from None


def rename_seqid(text: str, name: str) -> str:
    """Return a GFF3 line with another name in its first column."""
    return quote(name, safe=_SEQID_SAFE) + text[text.index("\t") :]


def parse_feature(columns: list[str]) -> Feature:
    """Turn the columns of a line into a feature."""
    if len(columns) != len(COLUMNS):
        _refuse(
            f"the line has {len(columns)} columns",
            f"{len(COLUMNS)}, separated by tabs: {', '.join(COLUMNS)}",
        )
    seqid, _, type_, first, last, _, strand, phase, attributes = columns
    start, end = _coordinates(first, last)
    if strand not in ("+", "-", ".", "?"):
        _refuse(f"the strand is {strand!r}", "one of + - . ?")
    if phase not in ("0", "1", "2", "."):
        _refuse(f"the phase is {phase!r}", "one of 0 1 2 .")
    return Feature(
        contig=unquote(seqid),
        start=start,
        end=end,
        strand=strand,
        type=unquote(type_),
        phase=None if phase == "." else int(phase),
        attributes=_attributes(attributes),
    )


def _check_characters(text: str) -> None:
    if found := _CONTROL.search(text):
        _refuse(
            f"the line holds the control character 0x{ord(found[0]):02x}",
            f"text, with control characters written as %{ord(found[0]):02X}",
        )


def _coordinates(first: str, last: str) -> tuple[int, int]:
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        _refuse(f"start and end are {first!r} and {last!r}", "two whole numbers from 1")
    start, end = int(first), int(last)
    if start < 1:
        _refuse("the start is 0", "coordinates that count from 1")
    if end < start:
        _refuse(f"the end {end:,} comes before the start {start:,}", "start <= end on both strands")
    return start - 1, end


def _attributes(text: str) -> dict[str, str]:
    if text == ".":
        return {}
    attributes = {}
    for item in text.split(";"):
        key, equals, value = item.partition("=")
        if equals and key.strip():
            attributes[_unescape(key.strip())] = _unescape(value.strip())
        elif item.strip():
            _refuse_attribute(item.strip())
    return attributes


def _unescape(text: str) -> str:
    return unquote(text) if "%" in text else text


def _refuse_attribute(item: str) -> NoReturn:
    if item.endswith('"') and " " in item:
        raise _MalformedError(
            f"the attribute {item!r} is written as in GTF",
            "GFF3 attributes: key=value;key=value",
            "give the GFF3 file of the same annotation, or convert this one with "
            "`gffread -E in.gtf -o out.gff3` or `agat_convert_sp_gxf2gxf.pl -g in.gtf -o out.gff3`",
        )
    _refuse(f"the attribute {item!r} has no `=`", "key=value;key=value, with `;` written as %3B")


class _MalformedError(Exception):
    """What is wrong with a line; the reader adds the place."""

    def __init__(self, text: str, expected: str, remedy: str) -> None:
        super().__init__(text)
        self.text, self.expected, self.remedy = text, expected, remedy


def _refuse(text: str, expected: str) -> NoReturn:
    raise _MalformedError(text, expected, "correct the line, or give an unchanged GFF3 file")
