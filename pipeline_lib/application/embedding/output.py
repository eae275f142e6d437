"""Files of embeddings: one Parquet file, or a folder of NumPy arrays with an index."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, atomic_path, read_json, write_json

VECTOR, STARTS = "embedding", "starts"
ARRAY, PLACES, INDEX, ABOUT = "embeddings.npy", "starts.npy", "index.parquet", "embeddings.json"
PLACE = ("vector", "vector_begin", "vector_end")
"""Columns of the index: the vector of a row; or its first vector, and the one after its last."""
METADATA = b"dnalm"
Arrays = dict[str, NDArray[Any]]


class Writer(ABC):
    """Writes the rows of a table with their vectors, part after part."""

    @abstractmethod
    def write(self, rows: slice, part: Arrays) -> None:
        """Write some rows.

        Parameters
        ----------
        rows
            Of the table.
        part
            ``vectors``, (rows, width); of single tokens (tokens, width), and then ``counts``,
            (rows,), and ``starts``, (tokens,).
        """


def check_output(output: Path) -> None:
    """Refuse an output of which it cannot be told what it is to be.

    Raises
    ------
    InputError
        If the name has a suffix other than ``.parquet``.
    """
    if output.suffix not in ("", ".parquet"):
        raise InputError(
            f"the suffix {output.suffix!r} is of no kind that is written",
            path=output,
            expected="FILE.parquet, or a folder for embeddings.npy with its index",
            remedy="choose another name for the output",
        )


@contextmanager
def open_writer(
    output: Path, table: pd.DataFrame, about: dict[str, Any], *, tokens: int | None
) -> Iterator[Writer]:
    """Yield what writes the vectors of a table; the output appears when all of it is written.

    Parameters
    ----------
    output
        ``.parquet``, or a folder.
    table
        Input columns; one row for each sequence.
    about
        What the vectors are: ``width``, ``dtype`` and so on.
    tokens
        How many vectors there are, if there is one for each token.
    """
    rows = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    if output.suffix:
        with atomic_path(output) as temporary:
            schema = _schema(rows.schema, about, each=tokens is not None)
            with pq.ParquetWriter(temporary, schema, compression="zstd") as file:
                yield _Parquet(file, rows, schema)
        return
    with atomic_directory(output) as folder:
        shape = (len(table) if tokens is None else tokens, about["width"])
        vectors = np.lib.format.open_memmap(folder / ARRAY, "w+", np.dtype(about["dtype"]), shape)
        writer = _Folder(folder, rows, vectors, each=tokens is not None)
        yield writer
        writer.close(about)


class _Parquet(Writer):
    def __init__(self, file: Any, rows: Any, schema: Any) -> None:
        self._file, self._rows, self._schema = file, rows, schema

    def write(self, rows: slice, part: Arrays) -> None:
        """Write some rows; see :class:`Writer`."""
        vectors = np.ascontiguousarray(part["vectors"])
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        own = self._rows.slice(rows.start, rows.stop - rows.start)
        columns = {name: own.column(name) for name in own.column_names}
        if "counts" in part:
            ends = pa.array(np.cumsum(part["counts"], dtype=np.int32))
            offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
            columns[STARTS] = pa.ListArray.from_arrays(offsets, pa.array(part["starts"]))
            columns[VECTOR] = pa.ListArray.from_arrays(offsets, flat)
        else:
            columns[VECTOR] = flat
        table = pa.table([columns[name] for name in self._schema.names], schema=self._schema)
        self._file.write_table(table)


class _Folder(Writer):
    def __init__(self, folder: Path, rows: Any, vectors: NDArray[Any], *, each: bool) -> None:
        self._folder, self._rows, self._vectors = folder, rows, vectors
        self._counts: list[NDArray[np.int64]] = []
        self._done = 0
        self._starts: Any = None
        if each:
            shape = (len(vectors),)
            path = folder / PLACES
            self._starts = np.lib.format.open_memmap(path, "w+", np.dtype(np.int32), shape)

    def write(self, rows: slice, part: Arrays) -> None:
        """Write some rows; see :class:`Writer`."""
        own = slice(self._done, self._done + len(part["vectors"]))
        self._vectors[own] = part["vectors"]
        if self._starts is not None:
            self._starts[own] = part["starts"]
            self._counts.append(part["counts"].astype(np.int64))
        self._done = own.stop

    def close(self, about: dict[str, Any]) -> None:
        """Write the index and what the vectors are."""
        index = self._rows
        if self._starts is None:
            index = index.append_column(PLACE[0], pa.array(np.arange(len(index))))
        else:
            ends = np.cumsum(np.concatenate([[0], *self._counts]))
            index = index.append_column(PLACE[1], pa.array(ends[:-1]))
            index = index.append_column(PLACE[2], pa.array(ends[1:]))
            self._starts.flush()
        self._vectors.flush()  # type: ignore[attr-defined]  # a memory map
        pq.write_table(index, self._folder / INDEX, compression="zstd")
        write_json(self._folder / ABOUT, about)


def read_vectors(output: Path, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors of some rows, in ascending order, of an output with one for each row.

    Returns
    -------
    ndarray
        Shape (rows, width).
    """
    if output.is_dir():
        array = np.load(output / ARRAY, mmap_mode="r")
        return np.asarray(array[rows], dtype=np.float32)
    parts, first = [], 0
    for batch in pq.ParquetFile(output).iter_batches(columns=[VECTOR]):
        own = rows[(rows >= first) & (rows < first + len(batch))] - first
        column = batch.column(0).take(pa.array(own))
        width = column.type.list_size
        parts.append(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width))
        first += len(batch)
    return np.concatenate(parts).astype(np.float32)


def read_about(output: Path) -> dict[str, Any]:
    """Return what the vectors of an output are."""
    if output.is_dir():
        return dict(read_json(output / ABOUT))
    return dict(json.loads(pq.read_schema(output).metadata[METADATA]))


def _schema(known: Any, about: dict[str, Any], *, each: bool) -> Any:
    kind = pa.float16() if about["dtype"] == "float16" else pa.float32()
    vector = pa.list_(kind, about["width"])
    more = [pa.field(VECTOR, vector)]
    if each:
        more = [pa.field(STARTS, pa.list_(pa.int32())), pa.field(VECTOR, pa.list_(vector))]
    return pa.schema([*known, *more], metadata={METADATA: json.dumps(about)})
