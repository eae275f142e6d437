"""Build a corpus: plan it, cut every assembly, and join the tables."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.assembly import SOFT_MASK_SCHEMA, cut_assembly
from pipeline_lib.corpus.homology import leaked_share
from pipeline_lib.corpus.plan import HELD_OUT_SPLITS, SPLITS, Plan, held_out_pieces, plan_corpus
from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA
from pipeline_lib.corpus.scan import SEEN
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, read_json, write_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.provenance import provenance


def join_corpus(
    parts: Mapping[str, Path],
    genomes: Mapping[str, Path],
    plan: Path,
    directory: Path,
    settings: Corpus,
    *,
    seed: int,
) -> None:
    """Join the documents of all assemblies, and say what is in the corpus.

    Writes ``{train,valid,test}/documents.parquet``, ``soft_masked.parquet`` and ``stats.json``.

    Parameters
    ----------
    parts
        Folder written by :func:`~pipeline_lib.corpus.assembly.cut_assembly`, by assembly.
    genomes
        Folder of each assembly.
    plan
        Folder of the plan.

    Raises
    ------
    InputError
        If a split has no documents.
    """
    counts = {
        name: {split: Counter(values) for split, values in read_json(part / "stats.json").items()}
        for name, part in parts.items()
    }
    stats = {split: sum((c[split] for c in counts.values()), Counter[str]()) for split in SPLITS}
    _check(stats)
    with ExitStack() as stack:
        for split in SPLITS:
            path = stack.enter_context(atomic_path(directory / split / "documents.parquet"))
            files = [parts[name] / f"{split}.parquet" for name in settings.assemblies]
            _concatenate(files, path, DOCUMENT_SCHEMA, numbered=True)
        path = stack.enter_context(atomic_path(directory / "soft_masked.parquet"))
        masked = [parts[name] / "soft_masked.parquet" for name in settings.assemblies]
        _concatenate(masked, path, SOFT_MASK_SCHEMA)
    bases = sum(counter["split_bases"] for counter in stats.values())
    read = {name: count["train"]["bases"] for name, count in counts.items()}
    summary: dict[str, Any] = {
        "splits": {split: dict(counter) for split, counter in stats.items()},
        "training_share": stats["train"]["split_bases"] / bases,
        "shares": {name: read[name] / max(sum(read.values()), 1) for name in settings.assemblies},
        "homology": settings.homology.method,
        "leak": _leak(parts, genomes, Plan(plan)),
        "provenance": provenance(
            settings.model_dump(mode="json"),
            inputs={name: genomes[name] / "genome.fa.gz" for name in settings.assemblies},
            seed=seed,
        ),
    }
    write_json(directory / "stats.json", summary)


def build_corpus(
    genomes: Mapping[str, Path],
    directory: Path,
    settings: Corpus,
    *,
    seed: int,
    annotations: Mapping[str, Path] | None = None,
    haplotypes: Path | None = None,
    workers: int = 1,
) -> None:
    """Plan, cut and join in one go, as the rules of the workflow do in several jobs.

    For holdouts without lift-over, and any homology filter but mmseqs2.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        plan_corpus(genomes, scratch / "plan", settings)
        parts = {assembly: scratch / "parts" / assembly for assembly in settings.assemblies}
        for assembly, part in parts.items():
            cut_assembly(
                genomes[assembly], scratch / "plan", part, settings, assembly=assembly, seed=seed,
                annotation=(annotations or {}).get(assembly), haplotypes=haplotypes,
                workers=workers,
            )  # fmt: skip
        join_corpus(parts, genomes, scratch / "plan", directory, settings, seed=seed)


def _concatenate(
    files: list[Path], path: Path, schema: pa.Schema, *, numbered: bool = False
) -> None:
    """Write the rows of several files to one, a row group at a time."""
    first = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for file in files:
            table = pq.ParquetFile(file)
            for group in range(table.num_row_groups):
                rows = table.read_row_group(group)
                if numbered:
                    numbers = pa.array(np.arange(first, first + len(rows)), pa.int64())
                    rows = rows.set_column(0, schema.field(0), numbers)
                    first += len(rows)
                writer.write_table(rows)


def _leak(
    parts: Mapping[str, Path], genomes: Mapping[str, Path], plan: Plan
) -> dict[str, dict[str, float]]:
    """Return the share of held-out bases whose 31-mers are in training, before and after."""
    size = len(plan.sketch)
    seen: NDArray[np.bool_] = np.zeros((len(SEEN), size), dtype=np.bool_)
    for part in parts.values():
        seen |= np.unpackbits(np.load(part / "seen.npy"), axis=1, count=size).astype(np.bool_)
    opened = {name: Genome(path) for name, path in genomes.items()}
    return {
        when: {
            split: leaked_share(plan.sketch, row, held_out_pieces(opened, plan.held, split))
            for split in HELD_OUT_SPLITS
        }
        for when, row in zip(SEEN, seen, strict=True)
    }


def _check(stats: dict[str, Counter[str]]) -> None:
    for split in SPLITS:
        if stats[split]["documents"]:
            continue
        copies = stats[split]["homologous_bases"]
        what = {"train": "training data", "valid": "validation data", "test": "test data"}[split]
        raise InputError(
            f"the holdouts leave no {what}"
            + (f"; {copies:,} bases are copies of held-out ones" if copies else ""),
            where=f"corpus, split {split!r}",
            expected="some sequence in each of train, valid and test",
            remedy="hold out fewer contigs" if split == "train" else f"change `holdouts.{split}`",
        )
