"""Folders with the files train, dev and test, and tables with a column ``split``.

The former is the layout of GUE (DNABERT-2), the latter that of tables made from Genomic
Benchmarks. Classes are sorted by name, never by the order of the files.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_public import CsvFolderTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import class_target
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    positions_of,
    read_rows,
    sequences_of,
)
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome

NAMES = {"train": ("train",), "valid": ("dev", "valid", "val", "validation"), "test": ("test",)}
ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_SPLITS = {name: split for split, names in NAMES.items() for name in names}
_STARTS = ("start", "start_hg19_0based")


def read(settings: CsvFolderTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read the rows of a folder or of one file; nothing is drawn at random.

    Returns
    -------
    Raw
        ``split`` as published, or "" with ``splits: drawn``; without a file of validation
        examples the split is left for the protocol to draw from the training examples.

    Raises
    ------
    InputError
        If the file of training or test examples is missing, or a row is malformed.
    """
    if settings.file is not None:
        table = _one_file(Path(settings.file), settings.contig)
    else:
        assert settings.folder is not None
        table = _folder(Path(settings.folder), settings)
    if settings.splits == "drawn":
        table["split"] = ""
    target, values = class_target(table["label"].tolist())
    return Raw(table.drop(columns="label").assign(target=values), target)


def find_split_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder that hold a split, by split.

    Raises
    ------
    InputError
        If there is none, or two for one split.
    """
    found: dict[str, Path] = {}
    for split, names in NAMES.items():
        for file in (folder / f"{name}{ending}" for name in names for ending in ENDINGS):
            if not file.exists():
                continue
            if split in found:
                raise InputError(
                    f"there are two files of {split} examples: {found[split].name} and {file.name}",
                    path=folder,
                    remedy="remove one of them",
                )
            found[split] = file
    if not found:
        raise InputError(
            "there is no file of examples",
            path=folder,
            expected="train.csv, dev.csv and test.csv (or .tsv, each also with .gz)",
            remedy="fetch the published files, or correct `folder`",
        )
    return found


def _folder(folder: Path, settings: CsvFolderTask) -> pd.DataFrame:
    files = find_split_files(folder)
    missing = [split for split in ("train", "test") if split not in files]
    if missing and settings.splits == "published":
        names = [file.name for file in files.values()]
        raise InputError(
            f"there is no file of {missing[0]} examples, only {some(names)}",
            path=folder,
            expected=f"{missing[0]}.csv (or .tsv, or with .gz)",
            remedy=f"fetch the file of {missing[0]} examples too, or set `splits: drawn` to do "
            "with the rows at hand",
        )
    tables = []
    for split, path in files.items():
        rows = read_rows(path, ("sequence", "label"))
        part = pd.DataFrame({"sequence": sequences_of(rows, "sequence", path)})
        tables.append(part.assign(label=_labels(rows, path), split=split))
    return pd.concat(tables, ignore_index=True)


def _one_file(path: Path, contig: str | None) -> pd.DataFrame:
    rows = read_rows(path, ("split", "label", "sequence"))
    splits = choices_of(rows, "split", tuple(_SPLITS), path)
    table = pd.DataFrame({"sequence": sequences_of(rows, "sequence", path)})
    table = table.assign(label=_labels(rows, path), split=[_SPLITS[split] for split in splits])
    start = next((name for name in _STARTS if name in rows.columns), None)
    if contig is not None and start is not None and "end" in rows.columns:
        table["contig"] = contig
        table["start"] = positions_of(rows, start, path)
        table["end"] = positions_of(rows, "end", path)
        _check_lengths(table, rows, path)
        if "strand" in rows.columns:
            table["strand"] = choices_of(rows, "strand", ("+", "-"), path)
    return table


def _check_lengths(table: pd.DataFrame, rows: pd.DataFrame, path: Path) -> None:
    spans = (table["end"] - table["start"]).to_numpy()
    lengths = table["sequence"].str.len().to_numpy()
    if (spans == lengths).all():
        return
    worst = int(np.argmax(spans != lengths))
    raise InputError(
        f"the sequence has {lengths[worst]:,} bases, start and end are {spans[worst]:,} apart",
        path=path,
        where=f"line {rows[LINE].iloc[worst]}",
        expected="coordinates that count from 0, the end not included",
        remedy="correct the row, or leave `contig` out of the task",
    )


def _labels(rows: pd.DataFrame, path: Path) -> list[str]:
    labels = [label.strip() for label in rows["label"]]
    if "" in labels:
        raise InputError(
            "the label is empty",
            path=path,
            where=f"line {rows[LINE].iloc[labels.index('')]}, column 'label'",
            expected="the name or number of a class",
            remedy="fill the label in, or remove the row",
        )
    return labels
