"""Reading shards: random access to documents, with bounded memory."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum, read_json

CACHED_ROW_GROUPS = 32
REMAKE = "delete the folder and make it again with `snakemake --cores 2 shards`"

Row = tuple[int, str, str, str, int, int, NDArray[np.uint16]]
"""Document, assembly, contig, strand, start, end, tokens."""


class Shards:
    """The documents of one split as tokens.

    Parameters
    ----------
    directory
        Folder written by :func:`pipeline_lib.shards.write.write_shards`.

    Attributes
    ----------
    manifest
        Counts and checksums.
    parts
        The Parquet files, in order.

    Raises
    ------
    InputError
        If the manifest or one of the parts is missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        path = self.directory / "manifest.json"
        if not path.exists():
            raise InputError("manifest.json is missing", path=self.directory, remedy=REMAKE)
        self.manifest: dict[str, Any] = read_json(path)
        self.parts = [self.directory / part["name"] for part in self.manifest["parts"]]
        for part in self.parts:
            if not part.exists():
                raise InputError("the file is missing", path=part, remedy=REMAKE)
        self._cache: OrderedDict[int, pa.RecordBatch] = OrderedDict()

    def verify(self) -> None:
        """Compare every part with its checksum.

        Raises
        ------
        InputError
            If a part is not what was written.
        """
        for part, path in zip(self.manifest["parts"], self.parts, strict=True):
            found = checksum(path)
            if found != part["sha256"]:
                raise InputError(
                    f"the file is damaged: its sha256 is {found}",
                    path=path,
                    expected=part["sha256"],
                    remedy=REMAKE,
                )

    @cached_property
    def document_tokens(self) -> NDArray[np.int32]:
        """Number of tokens of each document; shape (documents,)."""
        counts = []
        for part in self.parts:
            with _readable(part):
                counts.append(pq.read_table(part, columns=["n_tokens"])["n_tokens"].to_numpy())
        return np.concatenate(counts)

    def tokens(self, document: int) -> NDArray[np.uint16]:
        """Return the tokens of a document; shape (tokens,)."""
        group, row = self._locate(document)
        return np.asarray(self._group(group)["tokens"][row].values)

    def part(self, number: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """Return the tokens of all documents of a part in a row, and where each one begins.

        Shapes (tokens,) and (documents + 1,).
        """
        with _readable(self.parts[number]):
            table = pq.read_table(self.parts[number], columns=["tokens"])
        column = table["tokens"].combine_chunks()
        begins = column.offsets.to_numpy().astype(np.int64)
        return column.values.to_numpy()[begins[0] : begins[-1]], begins - begins[0]

    def soft_masked(self, number: int) -> NDArray[np.uint8]:
        """Return the share of lower-case bases, 255 for all, of each token of a part.

        Shape (tokens,), in the order of :meth:`part`.
        """
        with _readable(self.parts[number]):
            table = pq.read_table(self.parts[number], columns=["n_tokens", "soft_masked"])
        result = np.zeros(int(table["n_tokens"].to_numpy().sum()), dtype=np.uint8)
        column, begin = table["soft_masked"].combine_chunks(), 0
        for row, count in zip(column, table["n_tokens"].to_pylist(), strict=True):
            if len(row.values):  # documents without a lower-case base have none
                result[begin : begin + count] = row.values.to_numpy()
            begin += count
        return result

    def coordinates(self, document: int) -> dict[str, Any]:
        """Return where a document comes from: assembly, contig, strand, start, end, pass."""
        group, row = self._locate(document)
        names = ("document", "assembly", "contig", "strand", "start", "end", "pass")
        return {name: self._group(group)[name][row].as_py() for name in names}

    def spans(self) -> Iterator[tuple[str, str, str, int, int]]:
        """Yield assembly, contig, strand, start and end of every document."""
        names = ["assembly", "contig", "strand", "start", "end"]
        for part in self.parts:
            with _readable(part):
                table = pq.read_table(part, columns=names)
            yield from zip(*(table[name].to_pylist() for name in names), strict=True)

    def rows(self) -> Iterator[Row]:
        """Yield every document in order."""
        names = ("document", "assembly", "contig", "strand", "start", "end")
        for group in range(len(self._groups)):
            table = self._read(group)
            columns = [table[name].to_pylist() for name in names]
            for row, values in enumerate(zip(*columns, strict=True)):
                yield (*values, np.asarray(table["tokens"][row].values))

    @cached_property
    def _groups(self) -> list[tuple[int, int, int]]:
        """Part, row group in it and number of its first document, for every row group."""
        groups, first = [], 0
        for part, path in enumerate(self.parts):
            with _readable(path):
                metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                groups.append((part, group, first))
                first += metadata.row_group(group).num_rows
        return groups

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        return np.array([first for _, _, first in self._groups], dtype=np.int64)

    def _locate(self, document: int) -> tuple[int, int]:
        group = int(np.searchsorted(self._firsts, document, side="right")) - 1
        return group, document - int(self._firsts[group])

    def _group(self, group: int) -> pa.RecordBatch:
        if group not in self._cache:
            self._cache[group] = self._read(group)
            if len(self._cache) > CACHED_ROW_GROUPS:
                self._cache.popitem(last=False)
        self._cache.move_to_end(group)
        return self._cache[group]

    def _read(self, group: int) -> pa.RecordBatch:
        part, row_group, _ = self._groups[group]
        with _readable(self.parts[part]):
            table = pq.ParquetFile(self.parts[part]).read_row_group(row_group)
        return table.combine_chunks().to_batches()[0]


@contextmanager
def _readable(part: Path) -> Iterator[None]:
    """Turn an error of the Parquet reader into one that names the file and the way out."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"cannot be read as Parquet ({error})", path=part, remedy=REMAKE
        ) from error
