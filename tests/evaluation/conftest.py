"""What the tests of the evaluation stage share."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA
from pipeline_lib.genome import prepare_genome


@pytest.fixture
def small_genome(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Return a function that prepares a genome from text."""

    def make(contigs: dict[str, str]) -> Path:
        fasta = "".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items())
        (tmp_path / "genome.fa").write_text(fasta)
        settings = Assembly(path="genome.fa", min_contig_length=1)
        prepare_genome(tmp_path / "genome.fa", tmp_path / "prepared", settings, name="test")
        return tmp_path / "prepared"

    return make


@pytest.fixture(scope="session")
def write_documents() -> Callable[..., Path]:
    """Return a function that writes a table of documents of one sentence each."""

    def write(path: Path, rows: list[tuple[str, str, int, int]], assembly: str = "test") -> Path:
        table = [
            {
                "document": number,
                "assembly": assembly,
                "contig": contig,
                "strand": strand,
                "start": start,
                "end": end,
                "pass": 0,
                "sentence_lengths": [end - start],
            }
            for number, (contig, strand, start, end) in enumerate(rows)
        ]
        pq.write_table(pa.Table.from_pylist(table, schema=DOCUMENT_SCHEMA), path)
        return path

    return write
