"""Reading a corpus: documents as coordinates, and their sentences as letters."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from pipeline_lib.sequence import reverse_complement

COORDINATES = [
    ("document", pa.int64()),
    ("assembly", pa.string()),
    ("contig", pa.string()),
    ("strand", pa.string()),
    ("start", pa.int64()),
    ("end", pa.int64()),
    ("pass", pa.int32()),
]
DOCUMENT_SCHEMA = pa.schema([*COORDINATES, ("sentence_lengths", pa.list_(pa.int32()))])

# Letters as the tokenizer sees them: upper case, T for U, N for every ambiguity.
_CLEAN = bytes.maketrans(b"acgtuURYSWKMBDHVryswkmbdhvn", b"ACGTTTNNNNNNNNNNNNNNNNNNNNN")


@dataclass(frozen=True, slots=True)
class Document:
    """A document: where it lies and how it is cut into sentences.

    Attributes
    ----------
    number
        Position in the file.
    start, end
        Interval on the forward strand, half-open, in bases.
    pass_number
        Which pass over the contig it comes from.
    sentence_lengths
        In reading order: on strand ``-`` the first sentence is the one that ends at ``end``.
    """

    number: int
    assembly: str
    contig: str
    strand: str
    start: int
    end: int
    pass_number: int
    sentence_lengths: list[int]


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of a ``documents.parquet``, a row group at a time.

    Raises
    ------
    InputError
        If the file is missing or is not a table of documents.
    """
    table = _open(path)
    for group in range(table.num_row_groups):
        columns = table.read_row_group(group).to_pydict()
        yield from map(Document, *(columns[name] for name in DOCUMENT_SCHEMA.names))


def count_documents(path: Path) -> int:
    """Return the number of documents in a ``documents.parquet``."""
    return int(_open(path).metadata.num_rows)


def read_sentences(genome: Genome, document: Document) -> list[bytes]:
    """Return the sentences of a document in reading order: upper case, other letters as N."""
    sequence = genome.fetch(document.contig, document.start, document.end).translate(_CLEAN)
    if document.strand == "-":
        sequence = reverse_complement(sequence)
    sentences, begin = [], 0
    for length in document.sentence_lengths:
        sentences.append(sequence[begin : begin + length])
        begin += length
    return sentences


def _open(path: Path) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"cannot be read as Parquet ({error})",
            path=path,
            remedy="make it again with `snakemake --cores 2 --forcerun corpus_build corpus`",
        ) from error
    if table.schema_arrow.names != DOCUMENT_SCHEMA.names:
        raise InputError(
            f"has the columns {', '.join(table.schema_arrow.names)}",
            path=path,
            expected=", ".join(DOCUMENT_SCHEMA.names),
            remedy="give a documents.parquet of the corpus stage",
        )
    return table
