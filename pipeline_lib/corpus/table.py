"""Writing tables of a corpus, a group of rows at a time."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.files import atomic_path

ROWS_PER_GROUP = 1_024


class Table:
    """Rows into a Parquet file; the file appears when all is well.

    Parameters
    ----------
    stack
        Closes the file at its end.
    """

    def __init__(self, stack: ExitStack, path: Path, schema: pa.Schema) -> None:
        temporary = stack.enter_context(atomic_path(path))
        self._schema, self._rows, self.rows = schema, list[list[Any]](), 0
        writer = pq.ParquetWriter(temporary, schema, compression="zstd")
        self._writer = stack.enter_context(writer)
        stack.callback(self._flush)

    def add(self, row: list[Any]) -> None:
        """Add a row."""
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def add_columns(self, columns: list[Any]) -> None:
        """Add many rows at once: a value or an array for each column."""
        rows = max(len(column) for column in columns if hasattr(column, "shape"))
        filled = [c if hasattr(c, "shape") else [c] * rows for c in columns]
        self._flush()
        if rows:
            table = dict(zip(self._schema.names, filled, strict=True))
            self._writer.write_table(pa.table(table, schema=self._schema))
            self.rows += rows

    def _flush(self) -> None:
        if self._rows:
            columns = dict(zip(self._schema.names, zip(*self._rows, strict=True), strict=True))
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows.clear()
