"""Kinds of genes, from an attribute of the annotation."""

from collections import Counter

import numpy as np

from pipeline_lib.config.tasks_genome import BiotypesTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import class_target
from pipeline_lib.finetuning.sources.genes import Gene, gene_table, read_genes
from pipeline_lib.finetuning.sources.windows import needs_genome, with_sequences
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator


def read(settings: BiotypesTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make an example of every gene: a window around its middle, in its direction.

    All windows are of one length, since the length of a gene alone would give many kinds away.

    Returns
    -------
    Raw
        Classes are the kinds of genes with at least ``min_genes`` genes, by name.

    Raises
    ------
    InputError
        If the annotation has no genes, or fewer than two kinds of them are left.
    """
    genome = needs_genome(genome, settings.type)
    annotation = genome.directory / "annotation.gff3.gz"
    genes = read_genes(annotation)
    left_out: Counter[str] = Counter()
    kept = _of_common_kinds(genes, settings, left_out, seed)
    kinds = sorted({kind for _, kind in kept})
    if len(kinds) < 2:
        counts = Counter(gene.first(settings.attributes) for gene in genes)
        raise InputError(
            f"{len(kinds)} kinds have at least {settings.min_genes} genes: {dict(counts)}",
            path=annotation,
            expected=f"two or more values of {' or '.join(settings.attributes)}",
            remedy="name the attribute that holds the kind in `attributes` of the task, or set a "
            "smaller `min_genes`",
        )
    table = gene_table(gene for gene, _ in kept).assign(label=[kind for _, kind in kept])
    middle = (table["start"] + table["end"]) // 2
    start = middle - settings.length // 2
    table = table.assign(start=start, end=start + settings.length, position=middle)
    table = with_sequences(table, genome, left_out)
    target, column = class_target(table["label"].tolist())
    table = table.drop(columns="label").assign(
        target=column, focus=settings.length // 2, assembly=settings.assembly
    )
    return Raw(table.reset_index(drop=True), target, left_out, {"genes": len(genes)})


def _of_common_kinds(
    genes: list[Gene], settings: BiotypesTask, left_out: Counter[str], seed: int
) -> list[tuple[Gene, str]]:
    """Return the genes of kinds that there are enough of, with their kinds, in their order."""
    kinds = np.array([gene.first(settings.attributes) for gene in genes], dtype=object)
    keep = np.zeros(len(genes), dtype=bool)
    for kind in sorted(set(kinds)):
        rows = np.flatnonzero(kinds == kind)
        if not kind:
            left_out[f"gene without {' and '.join(settings.attributes)}"] += len(rows)
        elif len(rows) < settings.min_genes:
            left_out[f"{kind}: fewer than {settings.min_genes} genes"] += len(rows)
        else:
            most = settings.max_genes or len(rows)
            drawn = named_generator(seed, "genes", kind).permutation(rows)[:most]
            left_out[f"{kind}: more than {most} genes"] += len(rows) - len(drawn)
            keep[drawn] = True
    return [(genes[row], str(kinds[row])) for row in np.flatnonzero(keep)]
