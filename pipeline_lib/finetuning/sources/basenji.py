"""Tracks of Basenji and Enformer in HDF5 files, as GENA-LM converts them.

A file has a group ``0``, ``1``, ... for each example, with ``seq`` and ``target`` (bins, tracks);
the bins lie in the middle of the sequence.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_dense import BasenjiTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.dense import Floats, drawn
from pipeline_lib.finetuning.sources.rows import clean_sequence
from pipeline_lib.genome.reader import Genome


def read(settings: BasenjiTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read examples, and keep the tracks, bins and context asked for.

    Raises
    ------
    InputError
        If a file is no such file, or an example has another shape than the first one.
    """
    rows = []
    shape: tuple[int, ...] | None = None
    for split in ("train", "valid", "test"):
        if (name := getattr(settings, split)) is None:
            continue
        path = Path(name)
        with _open(path) as file:
            groups = sorted((key for key in file if key.isdecimal()), key=int)
            for place in drawn(len(groups), settings.max_windows, seed, split).tolist():
                sequence, values = _example(file[groups[place]], path, groups[place])
                shape = shape or values.shape
                if values.shape != shape:
                    raise _shape(path, groups[place], values.shape, shape)
                kept = _kept(sequence, values, settings, path, groups[place])
                rows.append((split, *kept))
    if shape is None:
        raise InputError("the files hold no examples", path=Path(settings.train), remedy="give "
                         "files with groups 0, 1, ...")  # fmt: skip
    table = pd.DataFrame(rows, columns=["split", "sequence", "target"])
    names = _names(settings, shape[1])
    return Raw(table, Target("tracks", names, bin=settings.bin, units=settings.bins or shape[0]))


def _example(group: Any, path: Path, name: str) -> tuple[str, Floats]:
    if "seq" not in group or "target" not in group or group["target"].ndim != 2:
        raise InputError(
            f"group {name!r} has no `seq` or no `target` of two dimensions",
            path=path,
            expected="a sequence, and a table (bins, tracks)",
            remedy="convert the data again",
        )
    text = group["seq"][()]
    sequence = text.decode() if isinstance(text, bytes) else str(text)
    values = np.asarray(group["target"][()], dtype=np.float32)
    return clean_sequence(sequence, path, f"group {name}"), values


def _kept(
    sequence: str, values: Floats, settings: BasenjiTask, path: Path, name: str
) -> tuple[str, Floats]:
    """Return the sequence and the flat targets of the bins and tracks asked for."""
    every, units = len(values), settings.bins or len(values)
    missing = [track for track in settings.tracks if track >= values.shape[1]]
    length = units * settings.bin
    context = (len(sequence) - length) // 2 if settings.context is None else settings.context
    if units > every or len(sequence) < length + 2 * context or missing:
        raise InputError(
            f"group {name!r} has {len(sequence):,} bases, {every:,} bins and {values.shape[1]:,} "
            "tracks",
            path=path,
            expected=f"{length + 2 * context:,} bases, {units:,} bins"
            + (f" and track {missing[0]}" if missing else ""),
            remedy="set `bin`, `bins`, `context` and `tracks` of the task to what the file has",
        )
    first = (every - units) // 2
    part = values[first : first + units]
    if settings.tracks:
        part = part[:, list(settings.tracks)]
    if (part < 0).any():
        raise InputError(
            f"group {name!r} has a number below 0", path=path, remedy="convert the data again"
        )
    # Where bins are left out evenly on both sides, the middle of what is kept is that of all.
    middle = len(sequence) // 2 + (2 * first + units - every) * settings.bin // 2
    begin = max(middle - length // 2 - context, 0)
    return sequence[begin : begin + length + 2 * context], part.ravel().copy()


def _names(settings: BasenjiTask, count: int) -> tuple[str, ...]:
    names = [f"track {number}" for number in range(count)]
    if settings.names is not None:
        names = [line for line in Path(settings.names).read_text().splitlines() if line.strip()]
        if len(names) != count:
            raise InputError(
                f"has {len(names):,} names",
                path=Path(settings.names),
                expected=f"{count:,}, one a line",
                remedy="give a name for each track",
            )
    return tuple(names[track] for track in settings.tracks or range(count))


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "HDF5 files are read by the package h5py, which is not installed",
            path=path,
            remedy="run `pip install 'dnalm[tracks]'`",
        ) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"cannot be read as an HDF5 file ({error})", path=path, remedy="fetch the file again"
        ) from error


def _shape(path: Path, name: str, found: tuple[int, ...], shape: tuple[int, ...]) -> InputError:
    return InputError(
        f"the targets of group {name!r} have the shape {found}",
        path=path,
        expected=f"{shape}, as in the first group",
        remedy="convert the data again",
    )
