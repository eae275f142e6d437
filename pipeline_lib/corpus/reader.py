"""Reading a corpus: documents as coordinates, and their sentences as letters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
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
HAPLOTYPE = [("sample", pa.string()), ("haplotype", pa.int8()), ("variants", pa.int32())]
DOCUMENT_SCHEMA = pa.schema([*COORDINATES, ("sentence_lengths", pa.list_(pa.int32())), *HAPLOTYPE])

# Letters as the tokenizer sees them: upper case, T for U, N for every ambiguity.
CLEAN = bytes.maketrans(b"acgtuURYSWKMBDHVryswkmbdhvn", b"ACGTTTNNNNNNNNNNNNNNNNNNNNN")


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
        In reading order: on strand ``-`` the first sentence is the one that ends at ``end``. In
        bases of the reference, also where a haplotype is longer or shorter.
    sample, haplotype
        Whose sequence it is; None for the reference. Haplotypes are 0 and 1.
    variants
        How many variants of the haplotype lie in the interval.
    """

    number: int
    assembly: str
    contig: str
    strand: str
    start: int
    end: int
    pass_number: int
    sentence_lengths: list[int]
    sample: str | None = None
    haplotype: int | None = None
    variants: int = 0


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


class Sequences:
    """The sentences of documents, from the genomes and, where there are some, the haplotypes.

    Parameters
    ----------
    genomes
        Folder of each assembly, by name.
    haplotypes
        Folder of the haplotypes of the corpus.
    """

    def __init__(self, genomes: Mapping[str, Path], haplotypes: Path | None = None) -> None:
        self._genomes = {name: Genome(path) for name, path in genomes.items()}
        self._haplotypes = Haplotypes(haplotypes) if haplotypes else None

    def letters(self, document: Document) -> tuple[bytes, list[int]]:
        """Return the letters of a document in reading order, in the case of the file.

        Returns
        -------
        letters
            All of its sentences in a row.
        ends
            Where each sentence ends.
        """
        start, end = document.start, document.end
        sequence = self._genomes[document.assembly].fetch(document.contig, start, end)
        forward = document.strand == "+"
        lengths = document.sentence_lengths
        borders = np.cumsum(lengths if forward else lengths[::-1])
        if document.sample is not None:
            store = self._haplotypes
            if store is None or document.haplotype is None:
                raise _no_haplotypes(document)
            window = store.window(document.contig, start, end)
            sample = store.samples.index(document.sample)
            sequence, lift = window.consensus(sequence, sample, document.haplotype)
            borders = lift(start + borders)
        if not forward:
            sequence = reverse_complement(sequence)
            borders = len(sequence) - np.concatenate([borders[-2::-1], [0]])
        return sequence, borders.tolist()

    def sentences(self, document: Document) -> list[bytes]:
        """Return the sentences of a document in reading order: upper case, other letters as N."""
        sequence, ends = self.letters(document)
        return split_letters(sequence.translate(CLEAN), ends)


def split_letters(letters: bytes, ends: list[int]) -> list[bytes]:
    """Return consecutive parts of some letters, given where each one ends."""
    return [letters[begin:end] for begin, end in pairwise([0, *ends])]


def _no_haplotypes(document: Document) -> InputError:
    return InputError(
        f"document {document.number} is of sample {document.sample!r}, but no haplotypes are given",
        remedy="make the corpus again with `snakemake --cores 2 corpus`",
    )


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
