"""Transcription starts in the formats of EPDnew: .sga, .dat, .fps, BED, and tables with a header.

SGA, DAT and FPS count from 1; the position is the first transcribed base.
https://epd.expasy.org/ftp/epdnew
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    column_of,
    positions_of,
    read_rows,
)
from pipeline_lib.genome.source import read_lines

# FP   NAME :+R  EU:CONTIG  1+  1234; 1.   (name and flags vary in width, the rest does not)
_FPS_LINE = re.compile(r"FP\s+(\S+)\s*:.*?:(\S+)\s+\d*([+-])\s*(\d+);")
_DAT_SEQUENCE = re.compile(r"SE\s+([A-Za-z]+)$")


class Start(NamedTuple):
    """A transcription start.

    ``position`` is its base on the forward strand, from 0. ``sequence`` is what the file says of
    the 49 bases before it and the 11 from it on, in upper case; "" if it says nothing.
    """

    line: int
    name: str
    contig: str
    position: int
    strand: str
    sequence: str = ""

    @property
    def gene(self) -> str:
        """Name without the number that tells the promoters of a gene apart."""
        return re.sub(r"_\d+$", "", self.name)


def read_starts(path: Path) -> list[Start]:
    """Read the transcription starts of a file, in file order; its ending tells the format.

    Raises
    ------
    InputError
        If the ending is none of the formats, a line is malformed, or there is no start.
    """
    ending = path.name.removesuffix(".gz").rpartition(".")[2].lower()
    reader = _READERS.get(ending)
    if reader is None:
        raise InputError(
            f"the format cannot be told from the ending {ending!r}",
            path=path,
            expected=", ".join(f".{name}" for name in _READERS) + ", each also with .gz",
            remedy="give EPDnew's file under its own name",
        )
    starts = reader(path)
    if not starts:
        raise InputError(
            "the file holds no transcription start",
            path=path,
            expected=f"the .{ending} file of EPDnew",
            remedy="fetch the file again",
        )
    return starts


def _read_sga(path: Path) -> list[Start]:
    starts = []
    for number, line in read_lines(path, "SGA"):
        fields = line.rstrip().split("\t")
        if fields == [""]:
            continue
        if len(fields) < 6 or fields[3] not in ("+", "-") or not _counts_from_1(fields[2]):
            _refuse(path, number, line, "contig, TSS, position, strand, count and name, with tabs")
        starts.append(Start(number, fields[5], fields[0], int(fields[2]) - 1, fields[3]))
    return starts


def _read_fps(path: Path) -> list[Start]:
    """Read the lines FP, and in .dat the sequence that stands before each."""
    starts, sequence = [], ""
    for number, line in read_lines(path, "EPD flat file"):
        if line.startswith("ID "):
            sequence = ""
        elif line.startswith("SE "):
            found = _DAT_SEQUENCE.match(line.rstrip())
            sequence = found[1].upper() if found else ""
        elif line.startswith("FP "):
            found = _FPS_LINE.match(line)
            if found is None or int(found[4]) < 1:
                _refuse(path, number, line, "FP, name, contig, strand and position")
            name, contig, strand, position = found.groups()
            starts.append(Start(number, name, contig, int(position) - 1, strand, sequence))
    return starts


def _read_bed(path: Path) -> list[Start]:
    starts = []
    for number, line in read_lines(path, "BED"):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.rstrip().split("\t")
        if len(fields) < 6 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            _refuse(path, number, line, "contig, start, end, name, score and strand, with tabs")
        if fields[5] not in ("+", "-"):
            _refuse(path, number, line, "a strand + or - in the sixth column")
        position = int(fields[1]) if fields[5] == "+" else int(fields[2]) - 1
        starts.append(Start(number, fields[3], fields[0], position, fields[5]))
    return starts


def _read_table(path: Path) -> list[Start]:
    rows = read_rows(path)
    contig = column_of(rows, ("contig", "chrom", "chr"), path)
    strand = choices_of(rows, column_of(rows, ("strand",), path), ("+", "-"), path)
    name = column_of(rows, ("id", "name", "gene"), path)
    column = column_of(rows, ("tss_1based", "tss_0based", "position"), path)
    positions = positions_of(rows, column, path) - (column == "tss_1based")
    if (positions < 0).any():
        line = rows[LINE].iloc[int((positions < 0).argmax())]
        raise InputError(
            "the position is 0",
            path=path,
            where=f"line {line}, column {column!r}",
            expected="positions that count from 1",
            remedy="correct the value, or name the column `tss_0based`",
        )
    columns = (rows[LINE], rows[name], rows[contig], positions.tolist(), strand)
    return [Start(*values) for values in zip(*columns, strict=True)]


def _counts_from_1(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def _refuse(path: Path, number: int, line: str, expected: str) -> NoReturn:
    raise InputError(
        f"cannot read {line.strip()[:80]!r}",
        path=path,
        where=f"line {number}",
        expected=expected,
        remedy="correct the line, or fetch the file again",
    )


_READERS: dict[str, Callable[[Path], list[Start]]] = {
    "sga": _read_sga,
    "dat": _read_fps,
    "fps": _read_fps,
    "bed": _read_bed,
    "tsv": _read_table,
}
