"""NCBI assembly report: the names each sequence goes by, and the kind of its molecule."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import some
from pipeline_lib.genome.source import read_lines

NAME_COLUMNS = ("Sequence-Name", "GenBank-Accn", "RefSeq-Accn", "UCSC-style-name")
LOCATION = "Assigned-Molecule-Location/Type"
_NEEDED = (*NAME_COLUMNS[:3], "Sequence-Role", "Assigned-Molecule", LOCATION, "Sequence-Length")
_FETCH = "fetch *_assembly_report.txt from the NCBI folder the assembly came from"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One sequence of an assembly: all its names, its kind (None if not said), its length."""

    names: tuple[str, ...]
    location: str | None
    length: int | None
    line: int


def read_report(path: Path) -> list[ReportRow]:
    """Read an NCBI assembly report (``*_assembly_report.txt``).

    Raises
    ------
    InputError
        If the table lacks its header, a column or all rows.
    """
    columns: list[str] = []
    rows: list[ReportRow] = []
    for number, line in read_lines(path, "NCBI assembly report"):
        if line.startswith("#"):
            if line.lstrip("# ").startswith("Sequence-Name\t"):
                columns = line.lstrip("# ").split("\t")
                _check_columns(columns, path, number)
        elif line.strip():
            rows.append(_row(line, columns, path, number))
    if not rows:
        raise InputError("the report lists no sequence", path=path, remedy=_FETCH)
    return rows


def match_report(
    rows: list[ReportRow], records: Iterable[tuple[str, int, Iterable[str]]], path: Path
) -> dict[str, ReportRow]:
    """Find the row of each record.

    Parameters
    ----------
    rows
        From :func:`read_report`.
    records
        (name, length, further names from the header) of each record of the FASTA file.
    path
        The report, for messages.

    Raises
    ------
    InputError
        If no record is found, or one has another length than the report says.
    """
    by_name = _index(rows)
    found: dict[str, ReportRow] = {}
    names = []
    for name, length, others in records:
        names.append(name)
        row = next((by_name[key] for key in (name, *others) if key in by_name), None)
        if row is None:
            continue
        if row.length not in (None, length):
            raise InputError(
                f"record {name!r} has {length:,} bases, the report says {row.length:,}",
                path=path,
                where=f"line {row.line}",
                remedy="give the report of the very assembly version of the FASTA file",
            )
        found[name] = row
    if not found:
        raise InputError(
            f"the report names none of the records of the FASTA file; it has "
            f"{some([row.names[0] for row in rows])}, the file has {some(names)}",
            path=path,
            remedy="give the report of this assembly, or leave `assembly_report` out",
        )
    return found


def _index(rows: list[ReportRow]) -> dict[str, ReportRow]:
    """Map each name that belongs to one row only to that row."""
    by_name: dict[str, ReportRow | None] = {}
    for row in rows:
        for name in row.names:
            by_name[name] = None if name in by_name else row
    return {name: row for name, row in by_name.items() if row is not None}


def _row(line: str, columns: list[str], path: Path, number: int) -> ReportRow:
    if not columns:
        raise InputError(
            "a row comes before the line `# Sequence-Name ...` that names the columns",
            path=path,
            where=f"line {number}",
            remedy=_FETCH,
        )
    values = line.split("\t")
    if len(values) != len(columns):
        raise InputError(
            f"the row has {len(values)} columns",
            path=path,
            where=f"line {number}",
            expected=f"{len(columns)}, separated by tabs",
            remedy=_FETCH,
        )
    row = dict(zip(columns, values, strict=True))
    names = [row[column] for column in NAME_COLUMNS if row.get(column, "na") != "na"]
    # Unplaced pieces of chromosome 1 are also assigned to molecule 1: only the whole one is "1".
    assembled = row["Sequence-Role"] == "assembled-molecule"
    if assembled and row["Assigned-Molecule"] != "na":
        names.append(row["Assigned-Molecule"])
    location, length = row[LOCATION], row["Sequence-Length"]
    return ReportRow(
        names=tuple(dict.fromkeys(names)),
        location=None if location == "na" else location,
        length=int(length) if length.isdigit() else None,
        line=number,
    )


def _check_columns(columns: list[str], path: Path, number: int) -> None:
    absent = [column for column in _NEEDED if column not in columns]
    if absent:
        raise InputError(
            f"the report lacks the column {absent[0]!r}",
            path=path,
            where=f"line {number}",
            remedy=_FETCH,
        )
