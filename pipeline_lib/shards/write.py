"""Writing shards: a few documents at a time are read, encoded by several threads, and written."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.corpus.reader import COORDINATES, Document, read_documents, read_sentences
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, checksum, write_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

FORMAT = 1
CHUNK = 16
"""Documents that are encoded at once: about a million bases."""

SHARD_SCHEMA = pa.schema(
    [
        *COORDINATES,
        ("n_tokens", pa.int32()),
        ("tokens", pa.list_(pa.uint16())),
        ("sentence_ends", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document and its tokens."""

    document: Document
    tokens: NDArray[np.uint16]
    sentence_ends: NDArray[np.int32]


def write_shards(
    documents: Path,
    genomes: dict[str, Path],
    tokenizer: Path,
    directory: Path,
    settings: ShardsConfig,
    *,
    workers: int,
) -> None:
    """Encode all documents of a split and write them as shards.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the split.
    genomes
        Folder of each assembly, by name.
    tokenizer
        ``tokenizer.json``.
    directory
        Folder to write; it appears when all of it is written.
    workers
        Threads that encode. The result does not depend on it.

    Raises
    ------
    InputError
        If there are no documents.
    """
    parts: list[dict[str, Any]] = []
    encoded = encode_documents(documents, genomes, tokenizer, workers=workers)
    with (
        atomic_directory(directory) as temporary,
        progress_bar("writing shards", total=None, unit="base") as bar,
    ):
        for number, part in enumerate(_parts(encoded, settings.tokens_per_shard)):
            path = temporary / f"part-{number:05d}.parquet"
            counts = _write_part(path, part, settings, bar.update)
            parts.append({"name": path.name, **counts, "sha256": checksum(path)})
        if not parts:
            raise InputError(
                "holds no documents",
                path=documents,
                remedy="check the holdouts of the corpus",
            )
        totals = {key: sum(part[key] for part in parts) for key in ("documents", "tokens", "bases")}
        manifest = {
            "format": FORMAT,
            "vocab_size": len(read_vocabulary(tokenizer)),
            **totals,
            "parts": parts,
            "provenance": provenance(
                settings.model_dump(mode="json"),
                inputs={"documents": documents, "tokenizer": tokenizer},
                seed=0,
            ),
        }
        write_json(temporary / "manifest.json", manifest)


def encode_documents(
    documents: Path, genomes: dict[str, Path], tokenizer: Path, *, workers: int
) -> Iterator[Encoded]:
    """Yield the tokens of every document, in order; one chunk is in memory at a time."""
    encoder = SentenceEncoder(tokenizer)
    opened = {name: Genome(path) for name, path in genomes.items()}
    with _encoder_threads(workers):
        for chunk in _chunks(read_documents(documents)):
            sentences = [read_sentences(opened[d.assembly], d) for d in chunk]
            tokens, ends = encoder.encode([s for of_document in sentences for s in of_document])
            first = begin = 0
            for document, of_document in zip(chunk, sentences, strict=True):
                own = ends[first : first + len(of_document)]
                yield Encoded(document, tokens[begin : own[-1]], own - begin)
                first, begin = first + len(of_document), int(own[-1])


@contextmanager
def _encoder_threads(workers: int) -> Iterator[None]:
    """Let the library encode with this many threads of its own.

    Threads of Python would not help, since the library keeps the interpreter's lock while it
    encodes. It starts its threads once in a process: a later number changes nothing.
    """
    wanted = {
        "TOKENIZERS_PARALLELISM": "true" if workers > 1 else "false",
        "RAYON_NUM_THREADS": str(workers),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _parts(encoded: Iterable[Encoded], tokens_per_shard: int) -> Iterator[Iterator[Encoded]]:
    """Split a stream of documents into streams of about ``tokens_per_shard`` tokens each."""
    iterator = iter(encoded)
    for first in iterator:
        yield _part(first, iterator, tokens_per_shard)


def _part(first: Encoded, rest: Iterator[Encoded], tokens_per_shard: int) -> Iterator[Encoded]:
    count = len(first.tokens)
    yield first
    while count < tokens_per_shard:
        following = next(rest, None)
        if following is None:
            return
        count += len(following.tokens)
        yield following


def _write_part(
    path: Path, part: Iterator[Encoded], settings: ShardsConfig, progress: Callable[[int], Any]
) -> dict[str, int]:
    counts = {"documents": 0, "tokens": 0, "bases": 0}
    writer = pq.ParquetWriter(
        path, SHARD_SCHEMA, compression="zstd", compression_level=settings.compression_level
    )
    with writer:
        while rows := list(islice(part, settings.documents_per_row_group)):
            bases = sum(row.document.end - row.document.start for row in rows)
            writer.write_table(_table(rows))
            counts["documents"] += len(rows)
            counts["tokens"] += sum(len(row.tokens) for row in rows)
            counts["bases"] += bases
            progress(bases)
    return counts


def _table(rows: list[Encoded]) -> pa.Table:
    columns: list[pa.Array] = []
    attributes = ("number", "assembly", "contig", "strand", "start", "end", "pass_number")
    for attribute, field in zip(attributes, SHARD_SCHEMA, strict=False):
        columns.append(pa.array([getattr(row.document, attribute) for row in rows], field.type))
    columns.append(pa.array([len(row.tokens) for row in rows], pa.int32()))
    columns.append(_lists([row.tokens for row in rows]))
    columns.append(_lists([row.sentence_ends for row in rows]))
    return pa.table(columns, schema=SHARD_SCHEMA)


def _lists(arrays: list[Any]) -> pa.ListArray:
    """Join arrays into one list column without going through Python objects."""
    offsets = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays)))
