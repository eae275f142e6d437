"""Enhancers and promoters that touch in the nucleus, or do not.

Tables of TargetFinder (Whalen et al. 2016) and DeepTACT (Li et al. 2019): a pair a line, with the
places of both and whether they interact. The sequence is a window around the middle of the
enhancer, the partner one around the middle of the promoter.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pipeline_lib.config.tasks_public import PairsTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.rows import (
    LINE,
    choices_of,
    column_of,
    positions_of,
    read_rows,
)
from pipeline_lib.finetuning.sources.windows import needs_genome, resolve_contigs, window_sequences
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator

CLASSES = ("apart", "interacting")


def read(settings: PairsTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Read pairs of places with their label.

    Returns
    -------
    Raw
        ``kind`` is the cell line. Pairs that have an enhancer or a promoter in common, directly
        or through other pairs, are one ``group``; so are those whose enhancers or promoters
        overlap. ``start`` and ``end`` span both windows.

    Raises
    ------
    InputError
        If a column is missing, a place is empty, both are on different contigs, or a contig is
        unknown.
    """
    genome = needs_genome(genome, settings.type)
    path = Path(settings.file)
    rows = read_rows(path)
    left_out: Counter[str] = Counter()
    table = pd.DataFrame({"label": choices_of(rows, "label", ("0", "1"), path)})
    if "cell" in rows.columns:
        table["kind"] = rows["cell"].str.strip()
    else:
        table["kind"] = settings.cell
    ends = {}
    for side, length in (("enh", settings.enhancer_length), ("prom", settings.promoter_length)):
        ends[side] = _places(rows, side, genome, settings, path)
        table[side] = window_sequences(_around(ends[side], length), genome, left_out)
    table["group"] = linked_groups(ends["enh"], ends["prom"])
    enhancer = _around(ends["enh"], settings.enhancer_length)
    promoter = _around(ends["prom"], settings.promoter_length)
    table["contig"], table["strand"] = enhancer["contig"], "+"
    table["start"] = np.minimum(enhancer["start"], promoter["start"])
    table["end"] = np.maximum(enhancer["end"], promoter["end"])
    table = table[(table["enh"] != "") & (table["prom"] != "")]
    table = _limit_negatives(table, settings.max_negatives, left_out, seed)
    index = (table["label"] == "1").to_numpy(np.float32)
    table = table.rename(columns={"enh": "sequence", "prom": "partner"}).drop(columns="label")
    table = table.assign(target=as_column(index[:, None]), assembly=settings.assembly)
    notes: dict[str, object] = {"groups_of_linked_pairs": int(table["group"].nunique())}
    return Raw(table.reset_index(drop=True), Target("class", CLASSES), left_out, notes)


def linked_groups(enhancers: pd.DataFrame, promoters: pd.DataFrame) -> NDArray[np.int64]:
    """Return the group of each pair: the connected component of what overlaps.

    Pairs are linked if their enhancers overlap or their promoters do, and groups are what links
    connect. So no enhancer and no promoter is in two groups.

    Parameters
    ----------
    enhancers, promoters
        Columns contig, start and end; a row for each pair.
    """
    pairs = len(enhancers)
    first, second = overlap_clusters(enhancers), overlap_clusters(promoters)
    nodes = int(first.max(initial=-1)) + 1
    size = nodes + int(second.max(initial=-1)) + 1
    links = sparse.coo_matrix((np.ones(pairs), (first, nodes + second)), shape=(size, size))
    _, component = connected_components(links, directed=False)
    return np.asarray(pd.factorize(component[first])[0], dtype=np.int64)


def overlap_clusters(places: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each place; places that overlap, or are linked by others, share one."""
    order = np.lexsort((places["start"], pd.factorize(places["contig"])[0]))
    ordered = places.iloc[order]
    new = np.ones(len(order), dtype=bool)
    reach, before = -1, None
    for index, (contig, start, end) in enumerate(
        zip(ordered["contig"], ordered["start"], ordered["end"], strict=True)
    ):
        new[index] = contig != before or start >= reach
        reach = end if new[index] else max(reach, end)
        before = contig
    result = np.empty(len(order), dtype=np.int64)
    result[order] = np.cumsum(new) - 1
    return result


def _places(
    rows: pd.DataFrame, side: str, genome: Genome, settings: PairsTask, path: Path
) -> pd.DataFrame:
    """Return contig, start and end of one side, under the column names of either publisher."""
    long = {"enh": "enhancer", "prom": "promoter"}[side]
    start = positions_of(rows, column_of(rows, (f"{side}_start", f"{long}_start"), path), path)
    end = positions_of(rows, column_of(rows, (f"{side}_end", f"{long}_end"), path), path)
    if (empty := end <= start).any():
        row = int(np.argmax(empty))
        raise InputError(
            f"the {long} starts at {start[row]:,} and ends at {end[row]:,}",
            path=path,
            where=f"line {rows[LINE].iloc[row]}",
            expected="a start smaller than the end",
            remedy="correct the row",
        )
    if settings.contig is None:
        column = column_of(rows, (f"{side}_chrom", f"{long}_chrom", "chrom", "contig"), path)
        names = rows[column]
    else:
        names = pd.Series([settings.contig] * len(rows))
    contig = resolve_contigs(names, rows[LINE], genome, path)
    return pd.DataFrame({"contig": contig, "start": start, "end": end, "strand": "+"})


def _around(places: pd.DataFrame, length: int) -> pd.DataFrame:
    start = (places["start"] + places["end"]) // 2 - length // 2
    return places.assign(start=start, end=start + length)


def _limit_negatives(
    table: pd.DataFrame, most: float | None, left_out: Counter[str], seed: int
) -> pd.DataFrame:
    if most is None:
        return table
    negative = table["label"] == "0"
    positives = table[~negative].groupby("kind").size()
    limit = table["kind"].map(positives).fillna(0) * most
    order = pd.Series(named_generator(seed, "pairs").random(len(table)), index=table.index)
    rank = order.where(negative).groupby(table["kind"]).rank()
    dropped = negative & (rank > limit)
    left_out["negative pair not drawn"] += int(dropped.sum())
    return table[~dropped]
