"""Text files with a header and columns, as papers publish them: read as text, checked by line."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.source import read_lines
from pipeline_lib.sequence import IUPAC

LINE = "line"
"""Column with the number of the line that a row was read from."""

_LETTERS = str.maketrans("", "", IUPAC.decode())
_MISSING = frozenset(("", "NA", "NaN", "nan", "N/A", "None"))


def delimiter_of(path: Path) -> str:
    """Return how the columns of a file are separated: by commas in a ``.csv``, else by tabs."""
    return "," if ".csv" in path.suffixes[-2:] else "\t"


def read_rows(
    path: Path,
    columns: Iterable[str] = (),
    *,
    header: Sequence[str] | None = None,
    delimiter: str | None = None,
) -> pd.DataFrame:
    """Read a delimited file as a table of text, with the column ``line``.

    Parameters
    ----------
    path
        Plain, gzip or bgzip file.
    columns
        Columns that there must be.
    header
        Names of the columns of a file whose first line is a row.
    delimiter
        What separates columns; by default told from the name of the file.

    Raises
    ------
    InputError
        If a column is missing or named twice, a line has more or fewer columns than the header,
        or there is no row.
    """
    numbers: list[int] = []
    rows: list[list[str]] = []
    for number, fields in split_lines(path, delimiter or delimiter_of(path)):
        if header is None:
            header = _checked_header(fields, columns, path)
        elif len(fields) != len(header):
            raise InputError(
                f"the line has {len(fields):,} columns",
                path=path,
                where=f"line {number}",
                expected=f"{len(header):,}, as in the header",
                remedy="correct the line, or fetch the file again",
            )
        else:
            numbers.append(number)
            rows.append(fields)
    if header is None or not rows:
        raise InputError("the file holds no rows", path=path, remedy="give a file with rows")
    table = pd.DataFrame(rows, columns=list(header), dtype=str)
    return table.assign(**{LINE: numbers})


def split_lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of the lines that are not blank."""
    kind = "CSV" if delimiter == "," else "tab-separated text"
    for number, text in read_lines(path, kind):
        line = text.rstrip("\r")
        if line.strip():
            # Quotes matter only where there are some, and `split` is ten times as fast.
            quoted = delimiter == "," and '"' in line
            yield number, _unquoted(line, path, number) if quoted else line.split(delimiter)


def _unquoted(line: str, path: Path, number: int) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise InputError(
            f"the line cannot be taken apart ({error})",
            path=path,
            where=f"line {number}",
            expected="fields separated by commas, in quotes where they hold one",
            remedy="correct the line, or fetch the file again",
        ) from error


def column_of(table: pd.DataFrame, names: Sequence[str], path: Path) -> str:
    """Return the first of several possible names of a column that the table has."""
    for name in names:
        if name in table.columns:
            return name
    raise _missing(names[0], [name for name in table.columns if name != LINE], path)


def sequences_of(table: pd.DataFrame, column: str, path: Path) -> list[str]:
    """Return a column of sequences in upper case, U as T.

    Raises
    ------
    InputError
        If one is empty, or holds a letter that is no IUPAC code.
    """
    sequences = []
    for line, text in zip(table[LINE], table[column], strict=True):
        sequences.append(clean_sequence(text, path, f"line {line}, column {column!r}"))
    return sequences


def clean_sequence(text: str, path: Path, where: str) -> str:
    """Return a sequence in upper case with U as T, or raise the error that says what is wrong."""
    sequence = text.strip().upper()
    if not sequence:
        raise InputError(
            "the sequence is empty",
            path=path,
            where=where,
            expected="bases A, C, G, T or N",
            remedy="remove the row, or fetch the file again",
        )
    if strange := sequence.translate(_LETTERS):
        raise InputError(
            f"{strange[0]!r} is not a base (position {sequence.index(strange[0]) + 1:,})",
            path=path,
            where=where,
            expected=f"IUPAC codes {IUPAC.decode()}",
            remedy="correct the letter, or write N in its place",
        )
    return sequence.replace("U", "T")


def numbers_of(
    table: pd.DataFrame, column: str, path: Path, *, missing: bool = False
) -> NDArray[np.float32]:
    """Return a column of numbers; where ``missing`` is allowed, NaN stands for NA or nothing.

    Raises
    ------
    InputError
        If a value is not a finite number.
    """
    found = pd.to_numeric(table[column].str.strip(), errors="coerce").to_numpy(np.float64)
    bad = ~np.isfinite(found)
    if missing:
        bad &= ~table[column].str.strip().isin(_MISSING).to_numpy()
    if bad.any():
        row = table.iloc[int(np.argmax(bad))]
        raise InputError(
            f"{row[column]!r} is not a number",
            path=path,
            where=f"line {row[LINE]}, column {column!r}",
            expected="a finite number" + (", or NA where nothing was measured" if missing else ""),
            remedy="correct the value, or remove the row",
        )
    return found.astype(np.float32)


def positions_of(table: pd.DataFrame, column: str, path: Path) -> NDArray[np.int64]:
    """Return a column of coordinates: whole numbers that are not negative."""
    text = table[column].str.strip()
    bad = ~text.str.fullmatch(r"[0-9]{1,15}").to_numpy(bool)
    if bad.any():
        row = table.iloc[int(np.argmax(bad))]
        raise InputError(
            f"{row[column]!r} is not a position",
            path=path,
            where=f"line {row[LINE]}, column {column!r}",
            expected="a whole number from 0",
            remedy="correct the value, or remove the row",
        )
    return np.asarray(text.astype(np.int64))


def choices_of(table: pd.DataFrame, column: str, allowed: Sequence[str], path: Path) -> list[str]:
    """Return a column whose values are of a few kinds, such as the strand."""
    text = table[column].str.strip()
    bad = ~text.isin(allowed).to_numpy()
    if bad.any():
        row = table.iloc[int(np.argmax(bad))]
        raise InputError(
            f"{row[column]!r} is none of the values known here",
            path=path,
            where=f"line {row[LINE]}, column {column!r}",
            expected=" or ".join(map(repr, allowed)),
            remedy="correct the value, or remove the row",
        )
    return list(text)


def _checked_header(fields: list[str], columns: Iterable[str], path: Path) -> list[str]:
    names = [name.strip() for name in fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"the column {twice[0]!r} appears twice in the header",
            path=path,
            where="line 1",
            remedy="rename or remove one of the two",
        )
    for name in columns:
        if name not in names:
            raise _missing(name, names, path)
    return names


def _missing(column: str, names: Sequence[str], path: Path) -> InputError:
    return InputError(
        f"there is no column {column!r}; the file has {some(list(names), 6)}",
        path=path,
        where="line 1",
        expected=f"a header with {column!r} (the nearest: {nearest(column, names)})",
        remedy="give the published file, or rename its column",
    )
