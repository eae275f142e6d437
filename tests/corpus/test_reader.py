"""Reading documents: errors of the file, and streaming."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA, count_documents, read_documents
from pipeline_lib.errors import InputError


def test_documents_stream_over_row_groups(tmp_path: Path) -> None:
    columns = {name: [0] * 10 for name in DOCUMENT_SCHEMA.names}
    columns |= {"document": list(range(10)), "sentence_lengths": [[n] for n in range(10)]}
    columns |= {name: ["x"] * 10 for name in ("assembly", "contig", "strand", "sample")}
    path = tmp_path / "documents.parquet"
    pq.write_table(pa.table(columns, schema=DOCUMENT_SCHEMA), path, row_group_size=3)
    assert [d.number for d in read_documents(path)] == list(range(10))
    assert [d.sentence_lengths for d in read_documents(path)] == [[n] for n in range(10)]
    assert count_documents(path) == 10


@pytest.mark.parametrize("content", [None, b"", b"not parquet"])
def test_a_file_that_is_not_parquet(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "documents.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        count_documents(path)


def test_a_table_of_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "documents.parquet")
    with pytest.raises(InputError, match="has the columns a; expected document, assembly"):
        next(read_documents(tmp_path / "documents.parquet"))
