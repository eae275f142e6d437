"""NCBI assembly report: the names each sequence goes by, and the kind of its molecule."""

from collections.abc import Collection, Iterable, Iterator
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


class AssemblyReport:
    """Rows of an assembly report, found by any name of a sequence.

    Parameters
    ----------
    path
        File ``*_assembly_report.txt`` of NCBI.

    Raises
    ------
    InputError
        If the table lacks its header, a column or all rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = list(_read_rows(path))
        if not self.rows:
            raise InputError("the report lists no sequence", path=path, remedy=_FETCH)
        self._by_name: dict[str, ReportRow | None] = {}
        for row in self.rows:
            for name in row.names:
                self._by_name[name] = None if name in self._by_name else row

    def find(self, names: Iterable[str], length: int) -> ReportRow | None:
        """Return the row of a record by its names, the surest first; None if it has no row.

        Raises
        ------
        InputError
            If the record's length is not the one reported.
        """
        tried = list(names)
        found = (self._by_name.get(name) for name in tried)
        row = next((row for row in found if row is not None), None)
        if row is not None and row.length not in (None, length):
            raise InputError(
                f"record {tried[0]!r} has {length:,} bases, the report says {row.length:,}",
                path=self.path,
                where=f"line {row.line}",
                remedy="give the report of the very assembly version of the FASTA file",
            )
        return row

    def no_match(self, names: Collection[str]) -> InputError:
        """Return the error for a report that has none of the records of the FASTA file."""
        return InputError(
            f"the report names none of the records of the FASTA file; it has "
            f"{some([row.names[0] for row in self.rows])}, the file has {some(names)}",
            path=self.path,
            remedy="give the report of this assembly, or leave `assembly_report` out",
        )


def _read_rows(path: Path) -> Iterator[ReportRow]:
    columns: list[str] = []
    for number, line in read_lines(path, "NCBI assembly report"):
        if line.startswith("#"):
            if line.lstrip("# ").startswith("Sequence-Name\t"):
                columns = line.lstrip("# ").split("\t")
                _check_columns(columns, path, number)
        elif line.strip():
            yield _row(line, columns, path, number)


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
