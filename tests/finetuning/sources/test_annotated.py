"""Tasks from a genome and its annotation alone: starts of genes, kinds of genes, splice sites."""

from collections import Counter

import numpy as np
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources import biotypes, gene_starts, splice_sites
from pipeline_lib.finetuning.sources.genes import read_genes
from pipeline_lib.genome import Genome


def classes(raw):
    return np.array(raw.target.names)[np.stack(raw.table["target"])[:, 0].astype(int)]


def task(kind, **changes):
    return parse_task({"type": kind, "assembly": "S288C"} | changes)


@pytest.fixture(scope="module")
def genome(yeast):
    with Genome(yeast) as reader:
        yield reader


@pytest.fixture(scope="module")
def genes(yeast):
    return {gene.name: gene for gene in read_genes(yeast / "annotation.gff3.gz")}


@pytest.fixture(scope="module")
def starts(genome):
    return gene_starts.read(task("gene_starts"), genome, seed=4)


def test_starts_are_the_first_bases_of_genes(starts, genes, fetch, yeast):
    table = starts.table[starts.table["kind"] == "start"]
    assert set(classes(starts)[starts.table["kind"] == "start"]) == {"promoter"}
    for row in table.iloc[::700].itertuples():
        gene = genes[row.gene]
        first = gene.start if gene.strand == "+" else gene.end - 1
        assert (row.position, row.strand) == (first, gene.strand)
        assert fetch(yeast, row.contig, row.start, row.end, row.strand) == row.sequence
        assert fetch(yeast, row.contig, first, first + 1, row.strand) == row.sequence[row.focus]
    assert set(starts.table["sequence"].str.len()) == {300}


def test_other_windows_hold_no_start(starts, genes):
    table = starts.table
    spans = {}
    for gene in genes.values():
        spans.setdefault(gene.contig, []).append((gene.start, gene.end))
    promoters = table[table["kind"] == "start"]
    others = table[table["kind"] != "start"]
    assert not (classes(starts)[table["kind"] != "start"] == "promoter").any()
    for row in others.iloc[::90].itertuples():
        near = promoters[promoters["contig"] == row.contig]
        assert not ((near["start"] < row.end) & (near["end"] > row.start)).any()
        touched = [s for s in spans[row.contig] if s[0] < row.end and s[1] > row.start]
        if row.kind == "intergenic":
            assert not touched
        else:
            gene = genes[row.gene]
            assert gene.start <= row.start and row.end <= gene.end and row.strand == gene.strand
    by_contig = Counter(zip(table["contig"], table["kind"], strict=True))
    for contig in table["contig"].unique():
        assert by_contig[contig, "interior"] <= by_contig[contig, "start"] + 2
    for _, own in others.groupby(["contig", "kind"]):
        order = own.sort_values("start")
        assert (order["start"].to_numpy()[1:] >= order["end"].to_numpy()[:-1]).all()


def test_windows_are_the_same_for_a_seed(starts, genome):
    again = gene_starts.read(task("gene_starts"), genome, seed=4).table
    assert again["sequence"].tolist() == starts.table["sequence"].tolist()


def test_kinds_of_genes(genome, genes):
    raw = biotypes.read(task("biotypes", min_genes=20, max_genes=100), genome, seed=1)
    everything = Counter(gene.attributes["biotype"] for gene in genes.values())
    kept = {kind for kind, count in everything.items() if count >= 20}
    assert set(raw.target.names) == kept
    found = Counter(classes(raw).tolist())
    assert found == {kind: min(everything[kind], 100) for kind in kept}
    for kind, count in everything.items():
        if count < 20:
            assert raw.left_out[f"{kind}: fewer than 20 genes"] == count
    row = raw.table.iloc[7]
    gene = genes[row["gene"]]
    assert row["position"] == (gene.start + gene.end) // 2
    assert row["start"] <= row["position"] < row["end"]


def test_kinds_under_another_attribute(genome):
    with pytest.raises(InputError, match="0 kinds have at least 20 genes"):
        biotypes.read(task("biotypes", attributes=["sort"]), genome)


def test_splice_decoys_from_elsewhere(genome):
    changes = {"elsewhere_per_site": 1, "upstream": 40, "downstream": 40}
    raw = splice_sites.read(task("splice_sites", **changes), genome, seed=2)
    kinds = Counter(zip(raw.table["kind"], classes(raw), strict=True))
    assert kinds["GT elsewhere", "neither"] == kinds["GT", "donor"]
    assert kinds["AG elsewhere", "neither"] == kinds["AG", "acceptor"]
    elsewhere = raw.table[raw.table["kind"].str.endswith("elsewhere")]
    assert set(elsewhere["strand"]) == {"+", "-"}
    found = [s[40:42] for s in elsewhere["sequence"]]
    assert found == elsewhere["kind"].str[:2].tolist()
