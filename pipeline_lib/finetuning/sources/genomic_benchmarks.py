"""Genomic Benchmarks (Gresova et al. 2023): places of a genome, one file for each class and split.

https://github.com/ML-Bioinfo-CEITEC/genomic_benchmarks
"""

from collections import Counter
from pathlib import Path

import pandas as pd

from pipeline_lib.config.tasks_public import GenomicBenchmarksTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import class_target
from pipeline_lib.finetuning.sources.rows import LINE, choices_of, positions_of, read_rows
from pipeline_lib.finetuning.sources.windows import needs_genome, resolve_contigs, with_sequences
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome

COLUMNS = ("id", "region", "start", "end", "strand")
ENDINGS = (".csv", ".csv.gz")


def read(settings: GenomicBenchmarksTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Read the places of each class and fetch their sequences; nothing is drawn at random.

    Only train and test are published: validation examples are for the protocol to draw from the
    training examples. Places count from 0, the end not included; on the reverse strand the
    sequence is the reverse complement.

    Raises
    ------
    InputError
        If a file is missing or malformed, train and test have different classes, or a contig is
        unknown.
    """
    genome = needs_genome(genome, settings.type)
    folder = Path(settings.folder)
    files = {split: _class_files(folder / split) for split in ("train", "test")}
    if only := sorted(set(files["train"]) ^ set(files["test"])):
        raise InputError(
            f"train and test do not have the same classes: {some(only)} is in one of them only",
            path=folder,
            remedy="fetch the published folder again",
        )
    left_out: Counter[str] = Counter()
    tables = [
        _places(path, genome).assign(label=name, split=split)
        for split, classes in files.items()
        for name, path in classes.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    table = with_sequences(table, genome, left_out).assign(assembly=settings.assembly)
    target, values = class_target(table["label"].tolist())
    return Raw(table.drop(columns="label").assign(target=values), target, left_out)


def _class_files(folder: Path) -> dict[str, Path]:
    found = {
        path.name.partition(".")[0]: path
        for path in sorted(folder.glob("*"))
        if path.name.endswith(ENDINGS)
    }
    if len(found) < 2:
        raise InputError(
            f"there are files of {len(found)} classes",
            path=folder,
            expected="a file CLASS.csv or CLASS.csv.gz for each of at least two classes",
            remedy="fetch the folder of the data set from the public repository",
        )
    return found


def _places(path: Path, genome: Genome) -> pd.DataFrame:
    rows = read_rows(path, COLUMNS)
    return pd.DataFrame(
        {
            "contig": resolve_contigs(rows["region"], rows[LINE], genome, path),
            "start": positions_of(rows, "start", path),
            "end": positions_of(rows, "end", path),
            "strand": choices_of(rows, "strand", ("+", "-"), path),
        }
    )
