"""Sequences as people have them: FASTA, BED with a genome, tables of text, and Parquet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.application.fasta import Sequences, open_genome
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.records import place_of, read_records
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    clean_sequence,
    positions_of,
    read_rows,
    sequences_of,
)
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.source import read_lines
from pipeline_lib.sequence import reverse_complement

SEQUENCE = "sequence"
UNKNOWN: dict[str, Any] = {"contig": "", "start": -1, "end": -1, "strand": ""}
"""What stands where the place of a sequence is not known."""
COLUMNS = ("name", SEQUENCE, *UNKNOWN)

KINDS = {
    "FASTA": (".fa", ".fasta", ".fna", ".ffn", ".fas"),
    "BED": (".bed",),
    "table": (".csv", ".tsv", ".txt"),
    "Parquet": (".parquet", ".pq"),
}
_PACKED = (".gz", ".bgz")
_BED_COLUMNS = ("contig", "start", "end", "name", "score", "strand")


def read_inputs(
    path: Path, genome: Path | None = None, *, sequence_column: str = SEQUENCE
) -> pd.DataFrame:
    """Return the sequences of a file, one a row, in file order.

    Parameters
    ----------
    path
        FASTA; BED, whose intervals are read from ``genome``; CSV, or text with tabs, or Parquet
        (such as ``examples.parquet``) with a column of sequences. Text may be compressed. The
        kind is told from the name of the file.
    genome
        FASTA file or folder of a prepared genome; for BED alone.
    sequence_column
        Of a table.

    Returns
    -------
    DataFrame
        ``name``; ``sequence`` (upper case, U as T, in reading direction: of the strand that the
        interval lies on); ``contig``, ``start``, ``end`` (0-based, half-open, on the forward
        strand; -1 if not known) and ``strand`` (``+``, ``-``, or empty), which headers such as
        ``chr20:100-200(+)`` tell as well; then the other columns of the file.

    Raises
    ------
    InputError
        If the file is of no known kind, is empty, or a line or an interval of it cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            "no such file",
            path=path,
            expected="sequences as FASTA, BED, CSV, TSV or Parquet",
            remedy="check the path",
        )
    kind = _kind(path)
    if kind == "BED":
        return _bed(path, genome)
    readers: dict[str, Callable[[], pd.DataFrame]] = {
        "FASTA": lambda: _fasta(path),
        "table": lambda: _text(path, sequence_column),
        "Parquet": lambda: _parquet(path, sequence_column),
    }
    return _completed(readers[kind]())


def has_place(table: pd.DataFrame) -> pd.Series:
    """Tell for each sequence whether it is known which base of a contig each of its bases is."""
    spans = table["end"] - table["start"] == table[SEQUENCE].str.len()
    found: pd.Series = (table["contig"] != "") & (table["start"] >= 0) & spans
    return found


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED]
    for kind, known in KINDS.items():
        if suffixes and suffixes[-1] in known:
            return kind
    raise InputError(
        f"it cannot be told from the name {path.name!r} what the file holds",
        path=path,
        expected="a name that ends in "
        + ", ".join(suffix for known in KINDS.values() for suffix in known),
        remedy="rename the file by what it holds",
    )


def _fasta(path: Path) -> pd.DataFrame:
    rows = []
    for record in read_records(path):
        place = place_of(record.header)
        known = place is not None and place.end - place.start == len(record.sequence)
        places = tuple(place) if place is not None and known else ("", -1, -1, "")
        name = record.header if known else (record.header.split() or [f"line {record.line}"])[0]
        rows.append((name, record.sequence, *places))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _text(path: Path, column: str) -> pd.DataFrame:
    table = read_rows(path, [column])
    changes: dict[str, Any] = {SEQUENCE: sequences_of(table, column, path)}
    for name in ("start", "end"):
        if name in table:
            changes[name] = positions_of(table, name, path)
    if "strand" in table:
        changes["strand"] = choices_of(table, "strand", ("+", "-", ".", ""), path)
    names = table["name"] if "name" in table else [f"line {line}" for line in table[LINE]]
    table = table.assign(name=names, **changes).drop(columns=LINE)
    return table if column == SEQUENCE else table.drop(columns=column)


def _parquet(path: Path, column: str) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            "is not a readable Parquet file", path=path, remedy="make or copy the file again"
        ) from error
    if column not in table:
        names = list(map(str, table.columns))
        raise InputError(
            f"there is no column {column!r}; the file has {some(names, 6)}",
            path=path,
            expected=f"a column of sequences (the nearest: {nearest(column, names)})",
            remedy="name the column that holds the sequences",
        )
    sequences = [
        clean_sequence(text if isinstance(text, str) else "", path, f"row {row}")
        for row, text in enumerate(table[column])
    ]
    table = table.assign(**{SEQUENCE: sequences}).reset_index(drop=True)
    if "name" not in table:
        numbers = table.get("example", table.index)
        table = table.assign(name=[f"example {number}" for number in numbers])
    if not len(table):
        raise InputError("the file holds no rows", path=path, remedy="give a file with rows")
    return table if column == SEQUENCE else table.drop(columns=column)


def _bed(path: Path, genome: Path | None) -> pd.DataFrame:
    if genome is None:
        raise InputError(
            "holds intervals, and no genome is given to read them from",
            path=path,
            remedy="name the genome with `--genome FASTA`, or give sequences as FASTA",
        )
    source = open_genome(genome)
    rows = []
    for number, text in read_lines(path, "BED"):
        line = text.rstrip("\r")
        if line.strip() and not line.startswith(("#", "track", "browser")):
            rows.append(_interval(line, source, path, f"line {number}"))
    if not rows:
        raise InputError(
            "the file holds no intervals", path=path, remedy="give a file with intervals"
        )
    table = pd.DataFrame(rows).fillna("")
    return _completed(table)


def _interval(line: str, source: Sequences, path: Path, where: str) -> dict[str, object]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) < 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
        raise InputError(
            f"cannot read {line[:60]!r}",
            path=path,
            where=where,
            expected="contig, start and end, separated by tabs",
            remedy="correct the line",
        )
    row: dict[str, object] = {
        (_BED_COLUMNS[place] if place < len(_BED_COLUMNS) else f"column{place + 1}"): field
        for place, field in enumerate(fields)
    }
    contig, start, end = source.resolve(fields[0]), int(fields[1]), int(fields[2])
    strand = fields[5] if len(fields) > 5 and fields[5] in ("+", "-") else "+"
    if contig is None:
        raise InputError(
            f"{fields[0]!r} names no contig of the genome",
            path=path,
            where=where,
            expected=f"a contig such as {nearest(fields[0], list(source.contigs))}",
            remedy="correct the name, or give the genome that the intervals belong to",
        )
    if not 0 <= start < end <= source.contigs[contig]:
        raise InputError(
            f"the interval {fields[0]}:{start:,}-{end:,} does not lie inside the contig",
            path=path,
            where=where,
            expected=f"a start before the end, and an end of at most {source.contigs[contig]:,}",
            remedy="correct the line, or give the assembly that the intervals belong to",
        )
    sequence = source.fetch(contig, start, end).upper()
    sequence = reverse_complement(sequence) if strand == "-" else sequence
    name = fields[3] if len(fields) > 3 and fields[3] else f"{contig}:{start}-{end}({strand})"
    found = {SEQUENCE: sequence.decode(), "contig": contig, "start": start, "end": end}
    return row | found | {"name": name, "strand": strand}


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns that every input has first."""
    missing = {name: value for name, value in UNKNOWN.items() if name not in table}
    table = table.assign(**missing)
    table = table.assign(name=table["name"].astype(str), contig=table["contig"].astype(str))
    others = [name for name in table.columns if name not in COLUMNS]
    found: pd.DataFrame = table[[*COLUMNS, *others]]
    return found
