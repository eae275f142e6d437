"""Writing shards: a few documents at a time are read, encoded by several threads, and written."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.corpus.reader import (
    CLEAN,
    COORDINATES,
    HAPLOTYPE,
    Document,
    Sequences,
    count_documents,
    read_documents,
    split_letters,
)
from pipeline_lib.errors import InputError
from pipeline_lib.files import (
    atomic_directory,
    checksum,
    link_or_copy,
    read_json,
    write_json,
)
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

FORMAT = 2
CHUNK = 16
"""Documents that are encoded at once: about a million bases."""

SHARD_SCHEMA = pa.schema(
    [
        *COORDINATES,
        *HAPLOTYPE,
        ("n_tokens", pa.int32()),
        ("tokens", pa.list_(pa.uint16())),
        ("sentence_ends", pa.list_(pa.int32())),
        ("soft_masked", pa.list_(pa.uint8())),
    ]
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document and its tokens.

    Attributes
    ----------
    tokens
        Ids; shape (tokens,).
    sentence_ends
        Index after the last token of each sentence; shape (sentences,).
    soft_masked
        Share of lower-case bases of each token, 255 for all; shape (tokens,), or (0,) where no
        base is lower-case.
    bases
        Bases of the document.
    """

    document: Document
    tokens: NDArray[np.uint16]
    sentence_ends: NDArray[np.int32]
    soft_masked: NDArray[np.uint8]
    bases: int


def write_shards(
    documents: Path,
    genomes: dict[str, Path],
    tokenizer: Path,
    directory: Path,
    settings: ShardsConfig,
    *,
    workers: int,
    haplotypes: Path | None = None,
    piece: int | None = None,
) -> None:
    """Encode all documents of a split, or one piece of them, and write them as shards.

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
    haplotypes
        Folder of the haplotypes of the corpus, where there are some.
    piece
        Which of ``settings.pieces`` equal parts of the documents to write, from 0.

    Raises
    ------
    InputError
        If there are no documents.
    """
    total = count_documents(documents)
    if not total:
        raise InputError(
            "holds no documents", path=documents, remedy="check the holdouts of the corpus"
        )
    first, last = 0, total
    if piece is not None:
        first, last = (total * number // settings.pieces for number in (piece, piece + 1))
    parts: list[dict[str, Any]] = []
    encoded = encode_documents(
        documents, genomes, tokenizer,
        workers=workers, haplotypes=haplotypes, first=first, last=last,
    )  # fmt: skip
    with (
        atomic_directory(directory) as temporary,
        progress_bar("writing shards", total=None, unit="base") as bar,
    ):
        for number, part in enumerate(_parts(encoded, settings.tokens_per_shard)):
            path = temporary / _name(number)
            counts = _write_part(path, part, settings, bar.update)
            parts.append({"name": path.name, **counts, "sha256": checksum(path)})
        made_by = provenance(
            settings.model_dump(mode="json"),
            inputs={"documents": documents, "tokenizer": tokenizer},
            seed=0,
        )
        _write_manifest(temporary, parts, len(read_vocabulary(tokenizer)), made_by)


def join_shards(pieces: list[Path], directory: Path) -> None:
    """Put the shards of all pieces into one folder, as if one job had written them.

    Parameters
    ----------
    pieces
        Folders written by :func:`write_shards`, in order.
    """
    manifests = [read_json(piece / "manifest.json") for piece in pieces]
    parts: list[dict[str, Any]] = []
    with atomic_directory(directory) as temporary:
        for piece, manifest in zip(pieces, manifests, strict=True):
            for part in manifest["parts"]:
                name = _name(len(parts))
                link_or_copy(piece / part["name"], temporary / name)
                parts.append({**part, "name": name})
        first = manifests[0]
        _write_manifest(temporary, parts, first["vocab_size"], first["provenance"])


def _name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def _write_manifest(
    directory: Path, parts: list[dict[str, Any]], vocab_size: int, made_by: dict[str, Any]
) -> None:
    totals = {key: sum(part[key] for part in parts) for key in ("documents", "tokens", "bases")}
    manifest = {"format": FORMAT, "vocab_size": vocab_size, **totals, "parts": parts}
    write_json(directory / "manifest.json", {**manifest, "provenance": made_by})


def encode_documents(
    documents: Path,
    genomes: dict[str, Path],
    tokenizer: Path,
    *,
    workers: int,
    haplotypes: Path | None = None,
    first: int = 0,
    last: int | None = None,
) -> Iterator[Encoded]:
    """Yield the tokens of documents ``first`` to ``last``, in order.

    A few chunks are in memory at a time. Encoding does not hold the interpreter's lock, so that
    threads share the work; each reads files of its own.
    """
    local, encoder = threading.local(), SentenceEncoder(tokenizer)

    def work(chunk: list[Document]) -> list[Encoded]:
        if not hasattr(local, "encode"):
            local.encode = _ChunkEncoder(Sequences(genomes, haplotypes), encoder)
        encoded: list[Encoded] = local.encode(chunk)
        return encoded

    chosen = islice(read_documents(documents), first, last)
    waiting: deque[Future[list[Encoded]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in _chunks(chosen):
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > workers + 1:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


class _ChunkEncoder:
    """Encodes a few documents at once."""

    def __init__(self, sequences: Sequences, encoder: SentenceEncoder) -> None:
        self._sequences, self._encoder = sequences, encoder

    def __call__(self, chunk: list[Document]) -> list[Encoded]:
        letters = [self._sequences.letters(document) for document in chunk]
        sentences = [split_letters(text.translate(CLEAN), ends) for text, ends in letters]
        tokens, ends = self._encoder.encode([s for of_document in sentences for s in of_document])
        result, first, begin = [], 0, 0
        for document, (text, _), own in zip(chunk, letters, sentences, strict=True):
            last = ends[first : first + len(own)]
            ids = tokens[begin : last[-1]]
            masked = soft_masked(text, ids, self._encoder.vocabulary.lengths)
            result.append(Encoded(document, ids, last - begin, masked, len(text)))
            first, begin = first + len(own), int(last[-1])
        return result


def soft_masked(
    letters: bytes, tokens: NDArray[np.uint16], lengths: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Return the share of lower-case letters of each token, 255 for all of them.

    Parameters
    ----------
    letters
        The text of the tokens.
    lengths
        Bases of every token of the vocabulary.

    Returns
    -------
    ndarray
        Shape (tokens,); (0,) if no letter is lower-case, or if it cannot be told which letters a
        token has: with gaps, and with words that overlap.
    """
    lower = np.frombuffer(letters, dtype=np.uint8) >= ord("a")
    bases = lengths[tokens].astype(np.int64)
    if not lower.any() or int(bases.sum()) != len(letters):
        return np.empty(0, dtype=np.uint8)
    sums = np.concatenate([[0], np.cumsum(lower)])
    ends = np.cumsum(bases)
    counts = sums[ends] - sums[ends - bases]
    return np.asarray(255 * counts // np.maximum(bases, 1), dtype=np.uint8)


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
            bases = sum(row.bases for row in rows)
            writer.write_table(_table(rows))
            counts["documents"] += len(rows)
            counts["tokens"] += sum(len(row.tokens) for row in rows)
            counts["bases"] += bases
            progress(bases)
    return counts


def _table(rows: list[Encoded]) -> pa.Table:
    columns: list[pa.Array] = []
    attributes = (
        "number", "assembly", "contig", "strand", "start", "end", "pass_number",
        "sample", "haplotype", "variants",
    )  # fmt: skip
    for attribute, field in zip(attributes, SHARD_SCHEMA, strict=False):
        columns.append(pa.array([getattr(row.document, attribute) for row in rows], field.type))
    columns.append(pa.array([len(row.tokens) for row in rows], pa.int32()))
    for name in ("tokens", "sentence_ends", "soft_masked"):
        columns.append(_lists([getattr(row, name) for row in rows]))
    return pa.table(columns, schema=SHARD_SCHEMA)


def _lists(arrays: list[Any]) -> pa.ListArray:
    """Join arrays into one list column without going through Python objects."""
    offsets = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays)))
