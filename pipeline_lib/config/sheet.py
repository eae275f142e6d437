"""A sheet of assemblies: one row each, where YAML would be long-winded.

Tab-separated, with a line of column names; lines that start with `#` and blank lines are left
out, and an empty cell is a key not given. A row becomes an entry of `genome.assemblies`.
"""

import csv
import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipeline_lib.config.archives import Ensembl
from pipeline_lib.config.base import Name
from pipeline_lib.config.corpus import with_all_assemblies
from pipeline_lib.config.genome import SOURCES, Assembly
from pipeline_lib.errors import ConfigError

NAME_COLUMN = "assembly"
_ENSEMBL = "ensembl_"
_PLAIN = (
    "species", "accession", "ucsc", "ena", "url", "path", "sha256", "md5",
    "annotation", "annotation_sha256", "assembly_report", "aliases",
)  # fmt: skip
COLUMNS = (NAME_COLUMN, *_PLAIN, *(f"{_ENSEMBL}{key}" for key in Ensembl.model_fields))
"""Columns a sheet may have."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_SUMS = ("sha256", "md5")


def sheet_assemblies(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a sheet of assemblies.

    Returns
    -------
    Settings of an assembly, as in an entry of `genome.assemblies`, by its name.

    Raises
    ------
    ConfigError
        Naming file, line, column, value, what is allowed and the nearest valid name.
    """
    path = Path(path)
    lines = _lines(path)
    number, header = next(lines, (1, []))
    _check_columns(header, path, number)
    entries: dict[str, dict[str, Any]] = {}
    seen: dict[str, int] = {}
    for number, cells in lines:
        row = _row(header, cells, path, number)
        name = row.pop(NAME_COLUMN, "")
        _check_name(name, seen, path, number)
        seen[name] = number
        entries[name] = _entry(row, path, number)
    if not entries:
        raise ConfigError(
            "the sheet has no row below the column names",
            path=path,
            remedy="add one line for each assembly, or take `genome.sheet` out",
        )
    return entries


def with_sheet(values: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Return a configuration with the rows of a sheet under the entries of `genome.assemblies`.

    An entry of the same name is layered over its row; if it names a source of its own, then the
    row's source and checksums do not count. `assemblies: all` of a corpus means all rows.
    """
    genome = {**values["genome"], "sheet": str(path)}
    given = genome.get("assemblies")
    entries: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    rows = sheet_assemblies(path)
    merged = {name: _layered(row, entries.get(name, {})) for name, row in rows.items()}
    if given is None or isinstance(given, Mapping):
        genome["assemblies"] = merged | {n: e for n, e in entries.items() if n not in merged}
    return with_all_assemblies({**values, "genome": genome}, tuple(rows))


def _layered(row: dict[str, Any], entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    if any(entry.get(key) is not None for key in SOURCES):
        row = {key: value for key, value in row.items() if key not in (*SOURCES, *_SUMS)}
    return {**row, **entry}


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of the lines that count."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the sheet is not plain text (UTF-8)",
            path=path,
            expected="a table with tabs between the columns",
            remedy="export the sheet as tab-separated text; a spreadsheet file cannot be read",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the sheet cannot be read: {error.strerror}", path=path, remedy="check `genome.sheet`"
        ) from error
    lines = text.splitlines()
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, cells in enumerate(rows, 1):
        stripped = [cell.strip().removeprefix('"').removesuffix('"').strip() for cell in cells]
        if any(stripped) and not stripped[0].startswith("#"):
            yield number, stripped


def _check_columns(header: list[str], path: Path, number: int) -> None:
    where = f"line {number}"
    if len(header) == 1 and ("," in header[0] or ";" in header[0]):
        raise ConfigError(
            "the columns are separated by commas or semicolons",
            path=path,
            where=where,
            expected="tabs",
            remedy="export the sheet as tab-separated text",
        )
    for column in header:
        if column not in COLUMNS:
            near = _nearest(column, COLUMNS)
            raise ConfigError(
                f"there is no column {column!r}",
                path=path,
                where=where,
                expected=f"some of: {', '.join(COLUMNS)}",
                remedy=f"write {near!r}" if near else "remove the column",
            )
        if header.count(column) > 1:
            raise ConfigError(
                f"the column {column!r} appears twice",
                path=path, where=where, remedy="remove one of the two",
            )  # fmt: skip
    if NAME_COLUMN not in header:
        raise ConfigError(
            f"the column {NAME_COLUMN!r} is missing",
            path=path,
            where=where,
            expected="a first line with the names of the columns, separated by tabs",
            remedy=f"add the column {NAME_COLUMN!r}: a short name for each genome",
        )


def _row(header: list[str], cells: list[str], path: Path, number: int) -> dict[str, str]:
    if len(cells) > len(header):
        raise ConfigError(
            f"the row has {len(cells)} cells",
            path=path,
            where=f"line {number}",
            expected=f"{len(header)}, one for each column",
            remedy="remove the cells without a column, or stray tabs",
        )
    return {column: cell for column, cell in zip(header, cells, strict=False) if cell}


def _check_name(name: str, seen: Mapping[str, int], path: Path, number: int) -> None:
    where = f"line {number}, column {NAME_COLUMN!r}"
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise ConfigError(
            f"{name!r} is not a usable name",
            path=path,
            where=where,
            expected="letters, digits, `.`, `_` and `-`, at most 100 of them, a letter or digit "
            "first: it becomes the name of a folder",
            remedy="correct the name",
        ) from error
    if name in seen:
        raise ConfigError(
            f"the name {name!r} appears twice, first in line {seen[name]}",
            path=path,
            where=where,
            remedy="rename or remove one of the two rows",
        )


def _entry(row: Mapping[str, str], path: Path, number: int) -> dict[str, Any]:
    """Turn a row into the settings of an assembly, and check them."""
    entry: dict[str, Any] = {key: value for key, value in row.items() if key in _PLAIN}
    ensembl: dict[str, Any] = {
        key.removeprefix(_ENSEMBL): value for key, value in row.items() if key.startswith(_ENSEMBL)
    }
    if ensembl:
        entry["ensembl"] = ensembl
    try:
        Assembly.model_validate(entry)
    except ValidationError as error:
        raise _explain(error.errors()[0], row, path, number) from None
    if ensembl:
        ensembl["release"] = int(ensembl["release"])
    return entry


def _explain(error: ErrorDetails, row: Mapping[str, str], path: Path, number: int) -> ConfigError:
    loc = [str(part) for part in error["loc"]]
    column = _ENSEMBL + loc[1] if loc[:1] == ["ensembl"] and len(loc) > 1 else "".join(loc[:1])
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not column:
        return ConfigError(
            message,
            path=path,
            where=f"line {number}",
            remedy="fill the cells of one source, and leave those of the others empty",
        )
    value = row.get(column)
    near = _nearest(value, _choices(column)) if value else None
    remedy = f"write {near!r}" if near else _help(column)
    problem = f"the value is {value!r}" if value else "the cell is empty"
    where = f"line {number}, column {column!r}"
    return ConfigError(f"{problem}; {message}", path=path, where=where, remedy=remedy)


def _choices(column: str) -> tuple[str, ...]:
    field = Ensembl.model_fields.get(column.removeprefix(_ENSEMBL))
    annotation = field.annotation if field else None
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _help(column: str) -> str:
    model = Ensembl if column.startswith(_ENSEMBL) else Assembly
    field = model.model_fields.get(column.removeprefix(_ENSEMBL))
    return f"correct the cell ({(field.description or '').rstrip('.')})" if field else "correct it"


def _nearest(value: str, choices: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(value, choices, n=1, cutoff=0.4)), None)
