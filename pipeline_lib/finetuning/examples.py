"""The table of examples of a task: its columns, and how it is read and written."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path

SPLITS = ("train", "valid", "test")
TRUE_SITE = "tis"
DECOYS = ("upstream", "in_frame", "out_of_frame", "intergenic")
MIDDLE = -1
"""Focus of an example that is about its middle."""

Kind = Literal["class", "labels", "numbers", "bases", "tracks"]
DENSE = ("bases", "tracks")
"""Kinds whose targets lie along the sequence."""
METADATA = b"dnalm"
MOST_PREDICTED = 250_000_000
NO_NUMBERS = np.empty(0, dtype=np.float32)

EXAMPLE_SCHEMA = pa.schema(
    [
        ("example", pa.int64()),
        ("split", pa.string()),
        ("group", pa.int64()),  # examples that belong together share one
        ("sequence", pa.string()),  # upper case, in reading direction
        ("partner", pa.string()),  # second sequence of a pair
        ("focus", pa.int32()),  # index in `sequence` of the base that the example is about
        ("numbers", pa.list_(pa.float32())),  # given with the sequence
        ("target", pa.list_(pa.float32())),
        ("kind", pa.string()),
        ("gene", pa.string()),
        ("assembly", pa.string()),
        ("contig", pa.string()),
        ("strand", pa.string()),
        ("position", pa.int64()),  # forward strand
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
UNKNOWN: dict[str, Any] = {
    name: "" if pa.types.is_string(kind) else -1
    for name, kind in zip(EXAMPLE_SCHEMA.names, EXAMPLE_SCHEMA.types, strict=True)
    if not pa.types.is_list(kind) and name not in ("example", "split", "group", "sequence")
}
"""What stands in columns that a task says nothing about."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted of an example.

    Attributes
    ----------
    kind
        ``class``: one of several classes, given by its index; ``labels``: yes (1), no (0) or not
        known (NaN) for each of several labels; ``numbers``: measurements, NaN where missing.
        ``bases``: the index of the class of each base, NaN where not known; ``tracks``: numbers
        of at least 0 for each bin of some bases and each track, NaN where not known.
    names
        Of the classes, of the labels, of the numbers or of the tracks. Of the classes of bases
        the first is the background: none of what is looked for.
    groups
        Labels that are also scored together: indices by name of the group.
    bin
        Bases that one target is about; 0: all of the sequence. 1 for ``bases``.
    units
        Bins of an example; they lie in the middle of its sequence, which may be longer. 0 where
        ``bin`` is 0.
    """

    kind: Kind
    names: tuple[str, ...]
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    bin: int = 0
    units: int = 0

    @property
    def dense(self) -> bool:
        """Whether there is a target for each of many bins along the sequence."""
        return self.kind in DENSE

    @property
    def width(self) -> int:
        """Length of the list in the column ``target``: of ``tracks``, track after track a bin."""
        if self.dense:
            return self.units * (1 if self.kind == "bases" else len(self.names))
        return 1 if self.kind == "class" else len(self.names)

    @property
    def outputs(self) -> int:
        """Numbers that a model gives for an example: name after name, bin after bin."""
        return len(self.names) * (self.units if self.dense else 1)

    def segment(self, length: int) -> int:
        """Return the first base, of a sequence of some length, that has a target."""
        return (length - self.units * self.bin) // 2

    def to_json(self) -> str:
        """Return the target as JSON, alike for equal targets."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Target":
        """Return the target that :meth:`to_json` wrote."""
        values = json.loads(text)
        groups = {name: tuple(members) for name, members in values["groups"].items()}
        places = {name: values[name] for name in ("bin", "units") if name in values}
        return cls(values["kind"], tuple(values["names"]), groups, **places)


@dataclass(frozen=True)
class Examples:
    """Examples of a task.

    Attributes
    ----------
    table
        The columns of :data:`EXAMPLE_SCHEMA`; ``target`` and ``numbers`` hold float32 arrays.
    target
        What is to be predicted.
    """

    table: pd.DataFrame
    target: Target

    def __len__(self) -> int:
        return len(self.table)

    def of(self, split: str) -> "Examples":
        """Return the examples of a split."""
        table: pd.DataFrame = self.table[self.table["split"] == split]
        return Examples(table, self.target)

    def targets(self) -> NDArray[np.float32]:
        """Return all targets; shape (examples, width)."""
        return _stacked(self.table["target"], self.target.width)

    def numbers(self) -> NDArray[np.float32]:
        """Return the numbers given with the sequences; shape (examples, numbers)."""
        first = len(self.table["numbers"].iloc[0]) if len(self.table) else 0
        return _stacked(self.table["numbers"], first)


def as_lists(values: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return rows of shape (examples, width) as entries of a column of float32 arrays."""
    return list(np.asarray(values, dtype=np.float32))


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with all columns, in order: what is unknown is ``""`` or -1."""
    missing = {name: value for name, value in UNKNOWN.items() if name not in table.columns}
    table = table.assign(**missing)
    if "numbers" not in table.columns:
        none: Any = [NO_NUMBERS] * len(table)
        table = table.assign(numbers=none)
    columns: pd.DataFrame = table[EXAMPLE_SCHEMA.names]
    return columns


def write_examples(path: Path, examples: Examples) -> None:
    """Write examples as Parquet, atomically; columns are completed and put in their order."""
    table = pa.Table.from_pandas(
        completed(examples.table), schema=EXAMPLE_SCHEMA, preserve_index=False
    ).replace_schema_metadata({METADATA: examples.target.to_json()})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_examples(path: Path) -> Examples:
    """Read the examples of a task.

    Raises
    ------
    InputError
        If the file is no table of examples, a split is empty, or a class is missing in a split
        where it is needed: in the training split any class, and of two classes either in all.
        Of targets along the sequence: if they are not as many as they should be, or so many that
        predictions would not fit into memory.
    """
    remedy = "make the examples anew"
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError("is not a readable Parquet file", path=path, remedy=remedy) from error
    missing = sorted(set(EXAMPLE_SCHEMA.names) - set(table.column_names))
    if missing:
        raise InputError(f"lacks the columns {', '.join(missing)}", path=path, remedy=remedy)
    try:
        target = Target.from_json((table.schema.metadata or {})[METADATA])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("does not say what its targets are", path=path, remedy=remedy) from error
    examples = Examples(table.select(EXAMPLE_SCHEMA.names).to_pandas(), target)
    check_splits(examples, path)
    return examples


def check_splits(examples: Examples, path: Path) -> None:
    """Refuse examples that cannot be learnt from or scored: see :func:`read_examples`."""
    for split in SPLITS:
        part = examples.of(split)
        if not len(part):
            raise InputError(
                f"split {split!r} has no examples", path=path, remedy=_remedy(examples, split)
            )
        if examples.target.dense:
            _check_dense(part, split, path)
        if examples.target.kind != "class":
            continue
        names = examples.target.names
        counts = np.bincount(part.targets()[:, 0].astype(np.int64), minlength=len(names))
        absent = [name for name, count in zip(names, counts, strict=True) if not count]
        if absent and (split == "train" or len(absent) >= len(names) - 1):
            raise InputError(
                f"split {split!r} has no examples of class {', '.join(map(repr, absent))}",
                path=path,
                remedy=_remedy(examples, split),
            )


def _check_dense(part: Examples, split: str, path: Path) -> None:
    """Refuse targets along the sequence that do not fit it, or do not fit into memory."""
    target, table = part.target, part.table
    needed = target.units * target.bin
    lengths, widths = table["sequence"].str.len(), table["target"].map(len)
    wrong = (lengths < needed) | (widths != target.width)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"example {table['example'].iloc[row]} of split {split!r} has "
            f"{lengths.iloc[row]:,} bases and {widths.iloc[row]:,} targets",
            path=path,
            expected=f"at least {needed:,} bases and {target.width:,} targets",
            remedy="make the examples anew",
        )
    if split != "train" and len(part) * target.outputs > MOST_PREDICTED:
        raise InputError(
            f"split {split!r} has {len(part):,} examples with {target.outputs:,} predictions each",
            path=path,
            expected=f"at most {MOST_PREDICTED:,} predictions, which take 1 GB",
            remedy="set a smaller `max_windows` for the task, or fewer tracks or larger bins",
        )


def _remedy(examples: Examples, split: str) -> str:
    if (examples.table["contig"] == "").all():
        return f"give the task more examples, or let a larger share of them be {split} examples"
    return (
        "hold out other or more contigs in the `holdouts` of the task; or, where splits are drawn, "
        f"let a larger share of the examples be {split} examples"
    )


def _stacked(column: pd.Series, width: int) -> NDArray[np.float32]:
    if not len(column):
        return np.empty((0, width), dtype=np.float32)
    return np.stack(column.to_list()).astype(np.float32, copy=False).reshape(len(column), width)
