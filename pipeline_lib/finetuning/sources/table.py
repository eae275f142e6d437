"""A user's own examples: a CSV, TSV or Parquet file with a row for each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.tasks import TableTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target, as_lists
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import by_name, class_target
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    numbers_of,
    positions_of,
    read_rows,
    sequences_of,
)
from pipeline_lib.finetuning.sources.windows import resolve_contigs, with_sequences
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.reader import Genome

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
NOT_KNOWN = ("", "NA", "N/A", "NaN", "nan", "None")
FILE = "file"
TEXTS = "texts"
"""Column with the texts of the target, as they stand in the file."""


def read(settings: TableTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Read the file or files of a task; nothing is drawn at random.

    Sequences may be in lower case, and of RNA; classes are put in order of their names. Rows of
    a Parquet file are counted from 1 in messages.

    Raises
    ------
    InputError
        Naming file, line, column and value: if a column is missing or twice there, a sequence
        empty or with letters that are no IUPAC code, a place not in the genome, or a target,
        split or number not what it should be.
    """
    if settings.file is not None:
        sources = [(settings.file, "")]
    else:
        named = (("train", settings.train), ("valid", settings.valid), ("test", settings.test))
        sources = [(path, split) for split, path in named if path is not None]
    left_out: Counter[str] = Counter()
    parts = [_read_file(Path(path), split, settings, genome, left_out) for path, split in sources]
    table = pd.concat(parts, ignore_index=True)
    if settings.group_column is not None:
        known = table["group"].where(~table["group"].isin(NOT_KNOWN))
        table["group"] = pd.factorize(known)[0].astype(np.int64)
    target, values = _targets(table, settings)
    if target.kind == "class":
        _check_classes(table, target, settings)
    column: Any = as_lists(values)
    table = table.assign(target=column).drop(columns=[LINE, FILE, TEXTS])
    return Raw(table, target, left_out)


def _read_file(
    path: Path, split: str, settings: TableTask, genome: Genome | None, left_out: Counter[str]
) -> pd.DataFrame:
    rows = _read_parquet(path) if path.suffix == ".parquet" else read_rows(path)
    texts: Any = rows[[_column(rows, name, "target", path) for name in settings.target]].to_numpy()
    table = rows[[LINE]].assign(**{FILE: str(path), TEXTS: list(texts), "split": split})
    if settings.split_column is not None:
        table["split"] = _splits(rows, settings.split_column, path)
    for key, name in (("group", settings.group_column), ("kind", settings.kind_column)):
        if name is not None:
            table[key] = rows[_column(rows, name, f"{key}_column", path)].str.strip()
    if settings.partner_column is not None:
        column = _column(rows, settings.partner_column, "partner_column", path)
        table["partner"] = sequences_of(rows, column, path)
    if settings.number_columns:
        names = [_column(rows, n, "number_columns", path) for n in settings.number_columns]
        numbers: Any = as_lists(np.stack([numbers_of(rows, n, path) for n in names], axis=1))
        table["numbers"] = numbers
    by_place = settings.sequence is None and genome is not None
    held = (settings.holdouts.valid, settings.holdouts.test)
    if genome is not None or any(one.contigs or one.bed for one in held):
        table = _with_places(table, rows, settings, genome, path)
    if by_place:
        assert genome is not None
        table = with_sequences(table, genome, left_out)
    else:
        column = _column(rows, settings.sequence or "sequence", "sequence", path)
        table["sequence"] = sequences_of(rows, column, path)
    if settings.focus_column is not None:
        table["focus"] = _focus(table, rows, settings.focus_column, path)
    return table


def _column(rows: pd.DataFrame, name: str, key: str, path: Path) -> str:
    names = [column for column in rows.columns if column != LINE]
    if name in names:
        return name
    raise InputError(
        f"there is no column {name!r}; the file has {some(names, 8)}",
        path=path,
        where="line 1",
        expected=f"a header with {name!r} (the nearest: {nearest(name, names)})",
        remedy=f"write the column's name as `{key}` of the task, or rename the column",
    )


def _with_places(
    table: pd.DataFrame, rows: pd.DataFrame, settings: TableTask, genome: Genome | None, path: Path
) -> pd.DataFrame:
    keys = ("contig_column", "start_column", "end_column")
    contig, start, end = (_column(rows, getattr(settings, key), key, path) for key in keys)
    names: Sequence[str] = list(rows[contig].str.strip())
    if genome is not None:
        names = resolve_contigs(names, rows[LINE], genome, path)
    strand = settings.strand_column
    table = table.assign(
        assembly=settings.assembly or "",
        contig=names,
        start=positions_of(rows, start, path),
        end=positions_of(rows, end, path),
        strand=choices_of(rows, strand, ("+", "-"), path) if strand in rows.columns else "+",
    )
    columns = (table[name].to_list() for name in (LINE, "contig", "start", "end"))
    for line, name, first, last in zip(*columns, strict=True):
        length = genome.contigs.get(name) if genome is not None else None
        past = length is not None and last > length
        if past or first >= last:
            raise InputError(
                f"the place {name}:{first:,}-{last:,} "
                + ("ends past the contig" if past else "holds no base"),
                path=path,
                where=f"line {line}, columns {start!r} and {end!r}",
                expected="start < end" + (f" <= {length:,}" if length is not None else ""),
                remedy="check that the coordinates are half-open, count from 0, and belong to "
                "this assembly",
            )
    return table


def _focus(table: pd.DataFrame, rows: pd.DataFrame, name: str, path: Path) -> NDArray[np.int64]:
    column = _column(rows, name, "focus_column", path)
    # Rows may have been left out for want of a usable window.
    focus = pd.Series(positions_of(rows, column, path), index=rows.index)[table.index].to_numpy()
    outside = focus >= table["sequence"].str.len().to_numpy()
    if outside.any():
        first = int(np.argmax(outside))
        raise InputError(
            f"base {focus[first]:,} does not lie in the sequence, which has "
            f"{len(table['sequence'].iloc[first]):,}",
            path=path,
            where=f"line {table[LINE].iloc[first]}, column {column!r}",
            expected="a base counted from 0",
            remedy="correct the value",
        )
    return np.asarray(focus, dtype=np.int64)


def _splits(rows: pd.DataFrame, name: str, path: Path) -> list[str]:
    column = _column(rows, name, "split_column", path)
    lowered = rows.assign(**{column: rows[column].str.strip().str.lower()})
    return [SPLIT_NAMES[text] for text in choices_of(lowered, column, tuple(SPLIT_NAMES), path)]


def _targets(table: pd.DataFrame, settings: TableTask) -> tuple[Target, NDArray[np.float32]]:
    texts = np.stack(table[TEXTS].to_list())
    texts = np.char.strip(texts.astype(str))
    if settings.kind == "class":
        _refuse(table, np.isin(texts, NOT_KNOWN), settings, "the class is missing", "a class")
        target, values = class_target(texts[:, 0].tolist())
        return target, np.stack(list(values))
    if settings.kind == "labels" and len(settings.target) == 1:
        joined = texts[:, 0]
        if not np.isin(joined, ("0", "1", *NOT_KNOWN)).all():
            found = [{part.strip() for part in text.split(";")} - {""} for text in joined]
            names = by_name({name for row in found for name in row})
            member = np.array([[name in row for name in names] for row in found])
            return Target("labels", names), member.astype(np.float32)
    flat = pd.to_numeric(pd.Series(texts.ravel()), errors="coerce").to_numpy(np.float64)
    numbers = flat.reshape(texts.shape)
    missing = np.isin(texts, NOT_KNOWN)
    if settings.kind == "labels":
        wrong = ~missing & ~np.isin(numbers, (0.0, 1.0))
        _refuse(table, wrong, settings, "is no label", "0, 1, or nothing where it is not known")
    else:
        alone = len(settings.target) == 1
        wrong = ~np.isfinite(numbers) & ~(missing & (not alone))
        expected = "a finite number" + ("" if alone else ", or NA where nothing was measured")
        _refuse(table, wrong, settings, "is not a number", expected)
    return Target(settings.kind, settings.target), numbers.astype(np.float32)


def _refuse(
    table: pd.DataFrame, wrong: NDArray[np.bool_], settings: TableTask, problem: str, expected: str
) -> None:
    if not wrong.any():
        return
    row, column = (int(index) for index in np.argwhere(wrong)[0])
    value = str(table[TEXTS].iloc[row][column])
    raise InputError(
        f"{value!r} {problem}" if problem.startswith("is ") else f"{problem} ({value!r})",
        path=table[FILE].iloc[row],
        where=f"line {table[LINE].iloc[row]}, column {settings.target[column]!r}",
        expected=expected,
        remedy="correct the value, or remove the row",
    )


def _check_classes(table: pd.DataFrame, target: Target, settings: TableTask) -> None:
    """Refuse a class that a published split has among its held-out rows alone."""
    texts = np.stack(table[TEXTS].to_list())[:, 0]
    if len(target.names) < 2:
        raise InputError(
            f"all rows are of class {target.names[0]!r}",
            path=table[FILE].iloc[0],
            where=f"column {settings.target[0]!r}",
            expected="two classes or more",
            remedy="name the column with the classes as `target` of the task, or add rows",
        )
    held_out = table["split"].isin(["valid", "test"]).to_numpy()
    learnt = {text.strip() for text in texts[~held_out]}
    for row in np.flatnonzero(held_out):
        if texts[row].strip() not in learnt:
            raise InputError(
                f"class {texts[row].strip()!r} is in split {table['split'].iloc[row]!r}, but not "
                "among the training rows",
                path=table[FILE].iloc[row],
                where=f"line {table[LINE].iloc[row]}, column {settings.target[0]!r}",
                expected=f"one of {some(sorted(learnt), 8)}",
                remedy="correct the class, or add training rows of it",
            )


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file as a table of text, like :func:`rows.read_rows`."""
    try:
        found = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            "is not a readable Parquet file",
            path=path,
            remedy="give a Parquet file, or name it .csv or .tsv if it is text",
        ) from error
    names = found.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"the column {twice[0]!r} appears twice",
            path=path,
            remedy="rename or remove one of the two",
        )
    if not len(found):
        raise InputError("the file holds no rows", path=path, remedy="give a file with rows")
    columns = {name: [_text(value) for value in found[name].to_pylist()] for name in names}
    return pd.DataFrame({**columns, LINE: range(1, len(found) + 1)})


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ";".join(map(_text, value))
    return str(value)
