"""Splice sites: SpliceAI's table on chromosome 20, the annotation of yeast, malformed tables."""

from collections import Counter

import numpy as np
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.introns import read_annotation, read_transcripts
from pipeline_lib.finetuning.sources.splice_sites import read
from pipeline_lib.genome import Genome


def task(**changes):
    return parse_task({"type": "splice_sites", "assembly": "a"} | changes)


@pytest.fixture(scope="module")
def raw(human, chr20):
    path = str(human / "spliceai_canonical_chr20_hg19.tsv.gz")
    with Genome(chr20) as genome:
        return read(task(table=path), genome, seed=3)


def classes(table):
    return np.stack(table["target"])[:, 0].astype(int)


def test_counts_are_those_of_the_table(raw):
    assert raw.notes == {"genes": 520, "introns": 4_533}
    # 99.1 % of the donors are GT and 99.7 % of the acceptors AG
    assert 1 - raw.left_out["donor that is not GT"] / 4_533 == pytest.approx(0.991, abs=5e-4)
    assert 1 - raw.left_out["acceptor that is not AG"] / 4_533 == pytest.approx(0.997, abs=5e-4)
    found = Counter(zip(raw.table["kind"], classes(raw.table), strict=True))
    assert raw.target.names == ("neither", "acceptor", "donor")
    assert found["GT", 2] == found["GT", 0]
    assert found["AG", 1] == found["AG", 0]
    sites = found["GT", 2] + found["AG", 1]
    assert sites + raw.left_out.total() == 2 * 4_533


def test_every_window_has_its_letters_in_reading_direction(raw, chr20, fetch):
    letters = [s[f : f + 2] for s, f in zip(raw.table["sequence"], raw.table["focus"], strict=True)]
    assert letters == raw.table["kind"].tolist()
    assert set(raw.table["sequence"].str.len()) == {400}
    for row in raw.table.iloc[::900].itertuples():
        assert fetch(chr20, "20", row.start, row.end, row.strand) == row.sequence
        pair = fetch(chr20, "20", row.position, row.position + 2, row.strand)
        assert pair == row.kind


def test_decoys_are_in_the_gene_and_no_sites(raw, human):
    genes = {}
    for gene in read_transcripts(human / "spliceai_canonical_chr20_hg19.tsv.gz"):
        genes.setdefault(gene.name, []).append(gene)
    decoy = classes(raw.table) == 0
    sites = raw.table[~decoy]
    places = set(zip(sites["position"], sites["strand"], strict=True))
    for row in raw.table[decoy].itertuples():
        assert (row.position, row.strand) not in places
        assert any(one.start <= row.position < one.end for one in genes[row.gene])
    assert not raw.table.duplicated(["position", "strand"]).any()


def test_published_split_keeps_paralogs_out_of_the_test(human, chr20):
    path = str(human / "spliceai_canonical_chr20_hg19.tsv.gz")
    with Genome(chr20) as genome:
        held = read(task(table=path, test_contigs="chr20"), genome, seed=3)
        with pytest.raises(InputError, match="`test_contigs` names '99'"):
            read(task(table=path, test_contigs=["99"]), genome)
    paralogs = {one.name for one in read_transcripts(human / path) if one.paralogs}
    assert set(held.table["split"]) == {"test"}
    assert not set(held.table["gene"]) & paralogs
    assert held.left_out["site on a test contig, of a gene with paralogs"] > 1_000


def test_introns_of_an_annotation(yeast):
    """Nuclear yeast genes: introns begin with GT and end with AG nearly always."""
    genes = read_annotation(yeast / "annotation.gff3.gz")
    introns = sum(len(gene.introns) for gene in genes)
    assert 280 < introns < 420
    with Genome(yeast) as genome:
        found = read(task(), genome, seed=1)
    names = np.bincount(classes(found.table), minlength=3)
    assert found.notes["introns"] == introns
    assert names[2] + found.left_out["donor that is not GT"] <= introns
    assert names[2] > 200


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("g\t0\tone\t+\t1\t90\t10,\t30,40,\n", ["line 1", "1 ends and 2 starts"]),
        ("g\t0\tone\t+\t1\t90\t10\tx\n", ["line 1", "'x' is not a position"]),
        ("g\t0\tone\t.\t1\t90\t10\t20\n", ["line 1", "'0' and '.'"]),
        ("g\t0\tone\t+\n", ["line 1", "4 columns"]),
        ("g\t0\ttwo\t+\t1\t90\t10\t20\n", ["line 1", "'two' names no contig"]),
        ("g\t0\tone\t+\t1\t90\t30\t20\n", ["line 1", "no introns"]),
    ],
)
def test_malformed_tables(make_genome, write, random_dna, line, said):
    genome = make_genome(one=random_dna(100, 5))
    with pytest.raises(InputError) as error:
        read(task(table=write("a.tsv", line)), genome)
    assert all(part in str(error.value) for part in said)


def test_without_table_and_annotation(make_genome, random_dna):
    with pytest.raises(InputError, match="has no annotation"):
        read(task(), make_genome(one=random_dna(100, 5)))
