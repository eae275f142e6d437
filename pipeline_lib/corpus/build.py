"""Build a corpus: tables of documents for training, validation and test."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.cut import Piece, at_least, cut, letter_runs, subtract, unknown_runs
from pipeline_lib.corpus.holdouts import HeldOut, read_holdouts
from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator

SPLITS = ("train", "valid", "test")
ROWS_PER_GROUP = 1_024
LOWER_CASE = np.arange(256) >= ord("a")
SOFT_MASK_SCHEMA = pa.schema(
    [
        ("assembly", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)


def build_corpus(genomes: dict[str, Path], directory: Path, settings: Corpus, *, seed: int) -> None:
    """Cut genomes into documents and write them as tables of coordinates.

    Writes ``{train,valid,test}/documents.parquet``, ``soft_masked.parquet`` (runs of lower-case
    letters) and ``stats.json``. One contig is held in memory at a time. No base of a held-out
    split is in another split, on either strand, in any pass.

    Parameters
    ----------
    genomes
        Folder of each assembly (``results/genome/{assembly}``), by name.
    directory
        Folder to write to.
    seed
        Every contig, strand, pass and stretch has random numbers of its own, so that the order
        of the work does not matter.

    Raises
    ------
    InputError
        If a holdout names no contig, or leaves a split without sequence.
    """
    opened = {name: Genome(genomes[name]) for name in settings.assemblies}
    held = read_holdouts(opened, settings.holdouts)
    stats = {split: Counter[str]() for split in SPLITS}
    with ExitStack() as stack:
        writers = {
            split: _Writer(stack, directory / split / "documents.parquet", DOCUMENT_SCHEMA)
            for split in SPLITS
        }
        masked = _Writer(stack, directory / "soft_masked.parquet", SOFT_MASK_SCHEMA)
        total = sum(length for genome in opened.values() for length in genome.contigs.values())
        with progress_bar("cutting contigs", total=total, unit="base") as bar:
            for assembly, genome in opened.items():
                for contig, length in genome.contigs.items():
                    letters = np.frombuffer(genome.fetch(contig, 0, length), dtype=np.uint8)
                    lower, unknown = letter_runs(letters, LOWER_CASE), unknown_runs(letters)
                    del letters  # or two contigs would be in memory while the next one is read
                    for start, end in zip(lower.starts, lower.ends, strict=True):
                        masked.add([assembly, contig, int(start), int(end)])
                    for split, wanted in _splits(assembly, contig, length, held).items():
                        documents = _documents(
                            unknown, wanted, settings, stats[split], split,
                            seed=seed, names=(assembly, contig),
                        )  # fmt: skip
                        for strand, number, piece in documents:
                            writers[split].add(
                                _row(writers[split].rows, assembly, contig, strand, number, piece)
                            )
                    bar.update(length)
        _check(stats)
    write_json(directory / "stats.json", _summary(stats, genomes, settings, seed))


class _Writer:
    """Rows into a Parquet file, a group at a time; the file appears when all is well."""

    def __init__(self, stack: ExitStack, path: Path, schema: pa.Schema) -> None:
        temporary = stack.enter_context(atomic_path(path))
        self._schema, self._rows, self.rows = schema, list[list[Any]](), 0
        writer = pq.ParquetWriter(temporary, schema, compression="zstd")
        self._writer = stack.enter_context(writer)
        stack.callback(self._flush)

    def add(self, row: list[Any]) -> None:
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = dict(zip(self._schema.names, zip(*self._rows, strict=True), strict=True))
            self._writer.write_table(pa.table(columns, schema=self._schema))
            self._rows.clear()


def _row(
    document: int, assembly: str, contig: str, strand: str, number: int, piece: Piece
) -> list[Any]:
    return [
        document, assembly, contig, strand, piece.start, piece.end, number, piece.sentence_lengths,
    ]  # fmt: skip


def _splits(assembly: str, contig: str, length: int, held: HeldOut) -> dict[str, Intervals]:
    valid = held["valid"].get((assembly, contig), EMPTY)
    test = held["test"].get((assembly, contig), EMPTY)
    whole = Intervals.of([(0, length)])
    return {"train": subtract(subtract(whole, valid), test), "valid": valid, "test": test}


def _documents(
    unknown: Intervals,
    wanted: Intervals,
    settings: Corpus,
    stats: Counter[str],
    split: str,
    *,
    seed: int,
    names: tuple[str, str],
) -> Iterator[tuple[str, int, Piece]]:
    """Yield strand, pass and document of one contig's part of a split."""
    stretches = subtract(wanted, at_least(unknown, settings.gap_length))
    stats["split_bases"] += wanted.bases
    stats["gap_bases"] += wanted.bases - stretches.bases
    covered: list[tuple[int, int]] = []
    for number in range(settings.passes if split == "train" else 1):
        for strand in "+-" if settings.strands == "both" else "+":
            for start, end in zip(stretches.starts.tolist(), stretches.ends.tolist(), strict=True):
                generator = named_generator(seed, "cut", *names, split, strand, number, start)
                offset = settings.max_offset if split == "train" else 0
                for piece in cut(
                    start, end, strand, settings, generator, max_offset=offset, unknown=unknown
                ):
                    stats["documents"] += 1
                    stats["sentences"] += len(piece.sentence_lengths)
                    stats["bases"] += piece.end - piece.start
                    covered.append((piece.start, piece.end))
                    yield strand, number, piece
    stats["covered_bases"] += Intervals.of(covered).bases


def _check(stats: dict[str, Counter[str]]) -> None:
    for split in SPLITS:
        if stats[split]["documents"]:
            continue
        what = {"train": "training data", "valid": "validation data", "test": "test data"}[split]
        raise InputError(
            f"the holdouts leave no {what}",
            where=f"corpus, split {split!r}",
            expected="some sequence in each of train, valid and test",
            remedy="hold out fewer contigs" if split == "train" else f"change `holdouts.{split}`",
        )


def _summary(
    stats: dict[str, Counter[str]], genomes: dict[str, Path], settings: Corpus, seed: int
) -> dict[str, Any]:
    bases = sum(counter["split_bases"] for counter in stats.values())
    return {
        "splits": {split: dict(counter) for split, counter in stats.items()},
        "training_share": stats["train"]["split_bases"] / bases,
        "provenance": provenance(
            settings.model_dump(mode="json"),
            inputs={name: genomes[name] / "genome.fa.gz" for name in settings.assemblies},
            seed=seed,
        ),
    }
