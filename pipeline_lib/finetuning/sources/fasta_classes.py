"""Two classes in FASTA files of their own, as DeepGSR publishes signals of genes.

The records of DeepGSR hold a motif with 300 bases on either side. Positives are named by a place
of the genome, 200 bases longer than the sequence and with the same middle but for three bases.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_public import FastaClassesTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import MIDDLE, Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.records import Example, find_files, place_of, read_records
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome


def read(settings: FastaClassesTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read the examples of FASTA files; nothing is drawn at random, and no genome is needed.

    Returns
    -------
    Raw
        ``kind`` is the motif; ``contig``, ``strand``, ``start`` and ``end`` are known where the
        header says ``contig:start-end(strand)``, 0-based and half-open.

    Raises
    ------
    InputError
        If a file is missing or no FASTA, or a record lacks its motif.
    """
    motifs = frozenset(motif.upper() for motif in settings.motifs)
    rows: list[tuple[int, str, str, int, str, int, int, str]] = []
    positive = find_files(settings.positive, "FASTA files of positive examples")
    negative = find_files(settings.negative, "FASTA files of negative examples")
    if both := sorted(set(positive) & set(negative)):
        raise InputError(
            "the file is named as one of positive and as one of negative examples",
            path=both[0],
            remedy="make the patterns of `positive` and `negative` exclude each other",
        )
    for label, paths in enumerate((negative, positive)):
        for path in paths:
            rows.extend((label, *_row(one, path, settings, motifs)) for one in read_records(path))
    columns = ["label", "sequence", "kind", "focus", "contig", "start", "end", "strand"]
    table = pd.DataFrame(rows, columns=columns)
    targets = as_column(table["label"].to_numpy(np.float32)[:, None])
    notes: dict[str, object] = {"files": len(positive) + len(negative)}
    table = table.drop(columns="label").assign(target=targets)
    return Raw(table, Target("class", settings.classes), notes=notes)


def _row(
    example: Example, path: Path, settings: FastaClassesTask, motifs: frozenset[str]
) -> tuple[str, str, int, str, int, int, str]:
    sequence, kind, focus = example.sequence, "", MIDDLE
    place = place_of(example.header)
    contig, start, end, strand = "", -1, -1, ""
    if place is not None and place.end - place.start >= len(sequence):
        # The place may be wider than the sequence; both have the same middle.
        margin = (place.end - place.start - len(sequence)) // 2
        contig, strand = place.contig, place.strand
        start, end = place.start + margin, place.start + margin + len(sequence)
    if settings.motif_start is not None:
        focus = settings.motif_start
        length = len(next(iter(motifs)))
        kind = sequence[focus : focus + length]
        if kind not in motifs:
            raise _no_motif(example, path, kind, settings)
        if settings.remove_motif:
            sequence = sequence[:focus] + sequence[focus + length :]
    return sequence, kind, focus, contig, start, end, strand


def _no_motif(example: Example, path: Path, found: str, settings: FastaClassesTask) -> InputError:
    assert settings.motif_start is not None
    first, last = settings.motif_start + 1, settings.motif_start + len(settings.motifs[0])
    return InputError(
        f"bases {first} to {last} of the {len(example.sequence):,} are {found!r}",
        path=path,
        where=f"line {example.line}, record {example.header!r}",
        expected=f"one of the motifs {some(settings.motifs, 4)}",
        remedy="correct `motif_start`, or add the motif to `motifs`",
    )
