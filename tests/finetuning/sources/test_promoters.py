"""Promoters of EPDnew: yeast and human chromosome 20, and small genomes made for a purpose."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.epdnew import read_starts
from pipeline_lib.finetuning.sources.promoters import match_gc, read, shuffle_pieces
from pipeline_lib.finetuning.sources.windows import gc_share
from pipeline_lib.genome import Genome


def task(positions, **changes):
    values = {"type": "promoters", "assembly": "a", "positions": str(positions)}
    return parse_task(values | changes)


def labels(table):
    return np.stack(table["target"])[:, 0]


@pytest.fixture(scope="module")
def genomic(human, chr20):
    with Genome(chr20) as genome:
        return read(task(human / "Hs_EPDnew_006_chr20_hg19.tsv.gz"), genome, seed=7)


def test_both_files_of_yeast_name_the_same_starts(shared):
    folder = shared / "data" / "yeast"
    sga, dat = (
        read_starts(folder / f"Sc_EPDnew_002_sacCer3.{ending}.gz") for ending in ("sga", "dat")
    )
    assert len(sga) == len(dat) == 5_117
    assert [one[1:5] for one in sga] == [one[1:5] for one in dat]
    assert (sga[0].contig, sga[0].position, sga[0].strand) == ("NC_001133.9", 11_959, "-")
    assert sga[0].gene == "YAL065C"


def test_sequences_of_the_dat_file_are_those_of_the_genome(shared, yeast):
    """The window of 49 bases before and 11 from the start is what the file itself gives."""
    path = shared / "data" / "yeast" / "Sc_EPDnew_002_sacCer3.dat.gz"
    with Genome(yeast) as genome:
        given = {
            (genome.resolve(one.contig), one.position, one.strand): one.sequence
            for one in read_starts(path)
        }
        raw = read(task(path, upstream=49, downstream=11, negatives="shuffled"), genome, seed=1)
    table = raw.table[labels(raw.table) == 1]
    assert raw.notes == {"published_sequences_that_differ_from_the_genome": 0}
    assert len(table) == 5_117 - raw.left_out.total() > 5_100
    places = zip(table["contig"], table["position"], table["strand"], strict=True)
    assert [given[place] for place in places] == table["sequence"].tolist()


def test_counts_of_chromosome_20(genomic):
    table = genomic.table
    assert genomic.left_out["transcription start given twice"] == 2
    positive = table[labels(table) == 1]
    assert len(positive) == 834 - 2  # chromosome 20 has 834, of which two are named twice
    assert len(table) == 2 * len(positive)
    assert genomic.target.names == ("no_promoter", "promoter")
    kinds = {0: {}, 1: {}}
    for label in kinds:
        kinds[label] = table.loc[labels(table) == label, "kind"].value_counts().to_dict()
    assert kinds[0] == kinds[1]  # each negative is made for a promoter of its kind
    assert kinds[0]["tata"] > 5


def test_windows_are_the_genome_in_reading_direction(genomic, chr20, fetch):
    for row in genomic.table.iloc[::83].itertuples():
        assert fetch(chr20, "20", row.start, row.end, row.strand) == row.sequence
        first = fetch(chr20, "20", row.position, row.position + 1, row.strand)
        assert row.sequence[row.focus] == first
        assert (row.focus, len(row.sequence)) == (249, 300)


def test_negatives_hold_no_promoter_and_have_the_same_gc(genomic):
    table = genomic.table
    promoters, others = table[labels(table) == 1], table[labels(table) == 0]
    for row in others.itertuples():
        apart = (row.end <= promoters["start"]) | (row.start >= promoters["end"])
        assert apart.all()
    assert not others["start"].duplicated().any()
    gap = [
        abs(gc_share(a) - gc_share(b))
        for a, b in zip(promoters["sequence"], others["sequence"], strict=True)
    ]
    assert max(gap) <= 0.05 + 1e-9
    # uniform windows would be at 44 % on average
    assert np.mean([gc_share(one) for one in others["sequence"]]) > 0.52


def test_a_seed_always_draws_the_same_windows(shared, yeast):
    path = task(shared / "data" / "yeast" / "Sc_EPDnew_002_sacCer3.sga.gz")
    with Genome(yeast) as genome:
        first, again, other = (read(path, genome, seed=seed).table for seed in (7, 7, 8))
    assert again["sequence"].equals(first["sequence"])
    assert not other["sequence"].equals(first["sequence"])


@settings(max_examples=30)
@given(st.text(alphabet="ACGT", min_size=60, max_size=60), st.integers(0, 2**31))
def test_shuffling_moves_12_pieces_at_most(sequence, seed):
    shuffled = shuffle_pieces(sequence, np.random.default_rng(seed))
    before, after = ([s[i : i + 3] for i in range(0, 60, 3)] for s in (sequence, shuffled))
    assert sorted(before) == sorted(after)
    assert sum(a == b for a, b in zip(before, after, strict=True)) >= 8


def test_a_shuffled_promoter_and_its_origin_are_one_group(human, chr20):
    with Genome(chr20) as genome:
        path = human / "Hs_EPDnew_006_chr20_hg19.tsv.gz"
        table = read(task(path, negatives="shuffled"), genome, seed=7).table
    half = len(table) // 2
    assert (labels(table) == np.repeat([1, 0], half)).all()
    assert table["group"][:half].tolist() == table["group"][half:].tolist()
    assert table["group"].min() >= 0
    moved = table["sequence"][:half].to_numpy() != table["sequence"][half:].to_numpy()
    assert moved.mean() > 0.99


@settings(max_examples=50)
@given(
    st.lists(st.floats(0, 1), max_size=20),
    st.lists(st.floats(0, 1), max_size=20),
    st.floats(0, 0.3),
)
def test_matches_are_close_and_different(wanted, offered, tolerance):
    wanted, offered = np.array(wanted), np.array(offered)
    chosen = match_gc(wanted, offered, tolerance, np.random.default_rng(0))
    found = chosen[chosen >= 0]
    assert len(set(found)) == len(found)
    assert (np.abs(wanted[chosen >= 0] - offered[found]) <= tolerance + 1e-9).all()
    for missed in wanted[chosen < 0]:
        close = np.flatnonzero(np.abs(offered - missed) < tolerance - 1e-9)
        assert set(close) <= set(found)  # nothing that would do is left over


def test_tata_is_looked_for_where_it_belongs(make_genome, write, random_dna):
    free = random_dna(400, 1).replace("TATA", "GCGC")
    with_box = free[:170] + "TATAAA" + free[176:]  # starts 30 bases before base 200
    genome = make_genome(box=with_box, none=free[:100] + "TATAAA" + free[106:])
    path = write("a.tsv", "id\tchrom\ttss_0based\tstrand\na_1\tbox\t200\t+\nb_1\tnone\t200\t+\n")
    raw = read(task(path, negatives="shuffled", upstream=100, downstream=100), genome, seed=0)
    assert raw.table["kind"].tolist() == ["tata", "no_tata"] * 2


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.sga", "one\tTSS\tx\t+\t1\tn\n", ["line 1", "cannot read"]),
        ("a.sga", "two\tTSS\t5\t+\t1\tn\n", ["line 1", "'two' names no contig"]),
        ("a.dat", "ID  a\nFP   a :R EU:one 1? 5; 1.\n", ["line 2", "cannot read"]),
        ("a.bed", "one\t1\t2\tn\n", ["line 1", "strand"]),
        ("a.tsv", "id\tchrom\ttss_1based\tstrand\nn\tone\t0\t+\n", ["line 2", "position is 0"]),
        ("a.tsv", "id\tchrom\tplace\tstrand\nn\tone\t0\t+\n", ["no column 'tss_1based'"]),
        ("a.sga", "\n", ["no transcription start"]),
        ("a.xls", "x", ["'xls'", ".sga, .dat"]),
    ],
)
def test_malformed_positions(make_genome, write, random_dna, name, text, said):
    genome = make_genome(one=random_dna(100, 3))
    with pytest.raises(InputError) as error:
        read(task(write(name, text), upstream=5, downstream=5), genome)
    assert all(part in str(error.value) for part in said)


def test_another_assembly_version_is_noticed(shared, make_genome, random_dna, write):
    genome = make_genome(NC_001133=random_dna(60_000, 4))
    with gzip.open(shared / "data/yeast/Sc_EPDnew_002_sacCer3.dat.gz", "rt") as handle:
        path = write("a.dat", "".join(line for _, line in zip(range(60), handle, strict=False)))
    with pytest.raises(InputError, match="of 3 promoters do not have the sequence"):
        read(task(path), genome)


def test_shuffling_needs_a_length_of_20_pieces():
    with pytest.raises(ValidationError, match="multiple of 20"):
        task("a", negatives="shuffled", upstream=100, downstream=101)
