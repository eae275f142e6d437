"""The file of one contig in a store of haplotypes: its schema, and writing and reading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.errors import InputError

SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("ref_length", pa.int32()),
        ("alleles", pa.list_(pa.string())),
        ("calls", pa.list_(pa.int8())),
    ]
)
ROWS_PER_GROUP = 4_096
REMEDY = "build the store of haplotypes again"


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive records of a contig, in order of position.

    Attributes
    ----------
    starts, ends
        Reference interval of each record, 0-based, half-open; shape (records,).
    alleles
        Alternatives of each record.
    calls
        0 reference, n the n-th alternative, -1 no such haplotype; haplotypes of a sample stand
        together; shape (records, 2 * samples).
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    alleles: list[list[bytes]]
    calls: NDArray[np.int8]

    def take(self, chosen: NDArray[np.intp]) -> Self:
        """Return the records of these numbers."""
        alleles = [self.alleles[number] for number in chosen.tolist()]
        return type(self)(self.starts[chosen], self.ends[chosen], alleles, self.calls[chosen])

    @classmethod
    def join(cls, parts: list[Self], haplotypes: int) -> Self:
        """Return the records of several parts as one."""
        none = cls(
            np.empty(0, np.int64), np.empty(0, np.int64), [], np.empty((0, haplotypes), np.int8)
        )
        parts = [none, *parts]
        return cls(
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
            [alleles for part in parts for alleles in part.alleles],
            np.concatenate([part.calls for part in parts]),
        )


class ContigWriter:
    """Writes rows, a group at a time; to be closed."""

    def __init__(self, path: Path) -> None:
        # Of positions and lengths, the statistics tell which groups a window needs.
        self._writer = pq.ParquetWriter(
            path, SCHEMA, compression="zstd", write_statistics=["position", "ref_length"]
        )
        self._rows: list[tuple[int, int, list[str]]] = []
        self._calls: list[NDArray[np.int8]] = []
        self.rows = 0

    def add(
        self, position: int, length: int, alleles: list[bytes], calls: NDArray[np.int8]
    ) -> None:
        """Add a record; ``calls`` has shape (2 * samples,)."""
        self._rows.append((position, length, [allele.decode("ascii") for allele in alleles]))
        self._calls.append(calls)
        self.rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the last rows and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            calls = np.stack(self._calls)
            offsets = np.arange(len(calls) + 1, dtype=np.int32) * calls.shape[1]
            lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(calls.reshape(-1)))
            columns = dict(zip(SCHEMA.names, zip(*self._rows, strict=True), strict=False))
            self._writer.write_table(pa.table(columns | {"calls": lists}, schema=SCHEMA))
            self._rows.clear()
            self._calls.clear()


class ContigReader:
    """Reads groups of rows.

    Attributes
    ----------
    firsts, reaches
        For each group, position of its first record, and a border beyond which none of its
        records reaches; shape (groups,).
    """

    def __init__(self, path: Path, haplotypes: int) -> None:
        self._path, self._haplotypes = path, haplotypes
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise self._unusable(f"cannot be read as Parquet ({error})") from error
        if not self._file.schema_arrow.equals(SCHEMA):
            raise self._unusable(f"has the columns {', '.join(self._file.schema_arrow.names)}")
        groups = range(self._file.num_row_groups)
        positions = [self._statistics(group, 0) for group in groups]
        lengths = [self._statistics(group, 1) for group in groups]
        self.firsts = np.array([one.min for one in positions], dtype=np.int64)
        self.reaches = np.array([one.max for one in positions], dtype=np.int64)
        self.reaches += np.array([one.max for one in lengths], dtype=np.int64)

    def read(self, group: int) -> Rows:
        """Return the rows of a group."""
        try:
            table = self._file.read_row_group(group, use_threads=False).combine_chunks()
        except (OSError, pa.ArrowInvalid) as error:
            raise self._unusable(f"is damaged ({error})") from error
        starts = table["position"].to_numpy()
        calls = table["calls"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if len(calls) != len(starts) * self._haplotypes:
            raise self._unusable("holds calls of other samples than stats.json names")
        alleles = [[allele.encode() for allele in row] for row in table["alleles"].to_pylist()]
        ends = starts + table["ref_length"].to_numpy()
        return Rows(starts, ends, alleles, calls.reshape(-1, self._haplotypes))

    def _statistics(self, group: int, column: int) -> Any:
        found = self._file.metadata.row_group(group).column(column).statistics
        if found is None or not found.has_min_max:
            raise self._unusable("has no statistics of its columns")
        return found

    def _unusable(self, problem: str) -> InputError:
        return InputError(problem, path=self._path, remedy=REMEDY)
