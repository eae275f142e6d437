"""Promoter windows by the annotation, against windows within genes and between genes.

An annotation tells where transcripts begin, though often not exactly: some give coding sequence
alone. The windows are what a model can be asked about in a genome that has nothing but genes.
"""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_genome import GeneStartsTask
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.genes import Gene, gene_table, read_genes
from pipeline_lib.finetuning.sources.windows import bounds, needs_genome, with_sequences
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals
from pipeline_lib.randomness import named_generator

CLASSES = ("no_promoter", "promoter")
TRIES = 8
"""Places drawn for every window that is wanted: many of them will not do."""

Spans = tuple[NDArray[np.int64], NDArray[np.int64]]


def read(settings: GeneStartsTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make examples of the starts of genes, and of as many windows of either kind without one.

    Windows that hold a start lie at the first base of a gene, in its direction. Of the others
    those of kind ``interior`` lie wholly within a gene, in its direction, and those of kind
    ``intergenic`` touch no gene, on either strand at random; neither touches a window with a
    start. They are drawn contig by contig, as many as the contig has starts, so that splits by
    contig stay balanced, and windows within a gene go with its start.

    Returns
    -------
    Raw
        Base ``focus`` is the first base of the gene, or the same place of another window.

    Raises
    ------
    InputError
        If the annotation has no genes.
    """
    genome = needs_genome(genome, settings.type)
    annotation = genome.directory / "annotation.gff3.gz"
    genes: dict[str, list[Gene]] = defaultdict(list)
    for gene in read_genes(annotation):
        genes[gene.contig].append(gene)
    left_out: Counter[str] = Counter()
    starts = _starts(gene_table([g for own in genes.values() for g in own]), settings, left_out)
    tables = [starts.assign(kind="start", label=1)]
    for name, rows in starts.groupby("contig", sort=False).indices.items():
        contig, own = str(name), starts.iloc[rows]
        random = named_generator(seed, "windows without start", contig)
        wanted = len(own) * settings.negatives_per_start
        length = genome.contigs[contig]
        found = _others(genes[contig], own, length, wanted, settings, random)
        for kind, table in found.items():
            left_out[f"start without a window of kind {kind} on its contig"] += wanted - len(table)
            tables.append(table.assign(contig=contig, kind=kind, label=0))
    table = with_sequences(pd.concat(tables, ignore_index=True), genome, left_out)
    label = table["label"].to_numpy(np.float32)
    table = table.drop(columns="label").assign(
        target=as_column(label[:, None]), focus=settings.upstream, assembly=settings.assembly
    )
    notes: dict[str, object] = {"genes": sum(map(len, genes.values()))}
    return Raw(table.reset_index(drop=True), Target("class", CLASSES), left_out, notes)


def _starts(genes: pd.DataFrame, settings: GeneStartsTask, left_out: Counter[str]) -> pd.DataFrame:
    forward = genes["strand"] == "+"
    table = genes.assign(position=np.where(forward, genes["start"], genes["end"] - 1))
    repeated = table.duplicated(["contig", "position", "strand"])
    left_out["same start as another gene"] += int(repeated.sum())
    table = table[~repeated]
    table["start"], table["end"] = bounds(
        table["position"], table["strand"], settings.upstream, settings.downstream
    )
    return table


def _others(
    genes: list[Gene],
    starts: pd.DataFrame,
    length: int,
    wanted: int,
    settings: GeneStartsTask,
    random: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Draw windows without a start; those of one kind do not overlap each other."""
    width = settings.upstream + settings.downstream
    taken = Intervals.union(starts["start"].to_numpy(), starts["end"].to_numpy())
    territory = Intervals.of((gene.start, gene.end) for gene in genes)
    inside = _within(genes, wanted * TRIES, width, random)
    inside = inside[~taken.overlaps(inside["start"], inside["start"] + width)]
    anywhere = random.integers(0, max(length - width, 0) + 1, size=wanted * TRIES * 4)
    ends = anywhere + width
    free = ~(territory.overlaps(anywhere, ends) | taken.overlaps(anywhere, ends))
    between = pd.DataFrame({"start": anywhere[free], "gene": ""})
    between["strand"] = random.choice(["+", "-"], size=len(between))
    return {
        kind: _placed(table, width, wanted, settings)
        for kind, table in (("interior", inside), ("intergenic", between))
    }


def _within(genes: list[Gene], count: int, width: int, random: np.random.Generator) -> pd.DataFrame:
    """Draw windows within genes, more of them from longer genes."""
    room = np.array([max(gene.end - gene.start - width + 1, 0) for gene in genes], dtype=float)
    if not room.sum():
        return pd.DataFrame({"start": np.empty(0, np.int64), "gene": [], "strand": []})
    chosen = random.choice(len(genes), size=count, p=room / room.sum())
    offset = (random.random(count) * room[chosen]).astype(np.int64)
    return pd.DataFrame(
        {
            "start": np.array([gene.start for gene in genes])[chosen] + offset,
            "gene": [genes[index].name for index in chosen],
            "strand": [genes[index].strand for index in chosen],
        }
    )


def _placed(table: pd.DataFrame, width: int, wanted: int, settings: GeneStartsTask) -> pd.DataFrame:
    """Return the first windows that do not overlap those before them."""
    used: set[int] = set()  # windows that share no cell and no neighbouring cell do not overlap
    kept = []
    for row, start in enumerate(table["start"].tolist()):
        cell = start // width
        if used.isdisjoint((cell - 1, cell, cell + 1)):
            used.add(cell)
            kept.append(row)
            if len(kept) == wanted:
                break
    table = table.iloc[kept]
    end = table["start"] + width
    forward = table["strand"] == "+"
    position = np.where(forward, table["start"] + settings.upstream, end - 1 - settings.upstream)
    return table.assign(end=end, position=position)
