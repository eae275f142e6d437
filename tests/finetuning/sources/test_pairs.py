"""Enhancer-promoter pairs of TargetFinder on chromosome 20."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.pairs import linked_groups, read
from pipeline_lib.genome import Genome

HEADER = "cell\tenh_start\tenh_end\tprom_start\tprom_end\tlabel\n"


def task(file, **changes):
    values = {"type": "pairs", "assembly": "a", "file": str(file), "contig": "chr20"}
    return parse_task(values | changes)


@pytest.fixture(scope="module")
def raw(human, chr20):
    with Genome(chr20) as genome:
        return read(task(human / "targetfinder_epi_chr20_hg19.tsv.gz"), genome)


def test_counts_are_the_published_ones(raw):
    assert len(raw.table) == 5_856
    assert np.stack(raw.table["target"]).sum() == 275
    assert raw.table["kind"].nunique() == 6
    assert set(raw.table["sequence"].str.len()) == {2_000}
    assert set(raw.table["partner"].str.len()) == {1_000}


def test_windows_are_around_the_middles(raw, human, chr20, fetch):
    published = pd.read_csv(human / "targetfinder_epi_chr20_hg19.tsv.gz", sep="\t")
    for index in range(0, 5_856, 700):
        row, pair = raw.table.iloc[index], published.iloc[index]
        enhancer, promoter = ((pair[f"{x}_start"] + pair[f"{x}_end"]) // 2 for x in ("enh", "prom"))
        assert fetch(chr20, "20", enhancer - 1_000, enhancer + 1_000) == row["sequence"]
        assert fetch(chr20, "20", promoter - 500, promoter + 500) == row["partner"]
        assert row["start"] == min(enhancer - 1_000, promoter - 500)
        assert row["end"] == max(enhancer + 1_000, promoter + 500)


def test_no_enhancer_and_no_promoter_is_in_two_groups(raw, human):
    published = pd.read_csv(human / "targetfinder_epi_chr20_hg19.tsv.gz", sep="\t")
    published["group"] = raw.table["group"].to_numpy()
    for side in ("enh", "prom"):
        spread = published.groupby([f"{side}_start", f"{side}_end"])["group"].nunique()
        assert (spread == 1).all()
    assert 5 < raw.table["group"].nunique() < 100


PLACES = st.lists(st.tuples(*[st.integers(0, 40), st.integers(1, 6)] * 2), min_size=1, max_size=9)


@settings(max_examples=50)
@given(PLACES)
def test_groups_are_what_overlaps_connect(rows):
    """Compare with a closure of the relation by brute force."""
    group = list(range(len(rows)))
    pairs = [(a, b) for a in group for b in group if _touch(rows[a], rows[b])]
    for _ in rows:
        for a, b in pairs:
            group[a] = group[b] = min(group[a], group[b])
    found = linked_groups(_places(rows, 0), _places(rows, 2))
    np.testing.assert_array_equal(found, pd.factorize(np.array(group))[0])


def _touch(one, other):
    return any(
        one[side] < other[side] + other[side + 1] and other[side] < one[side] + one[side + 1]
        for side in (0, 2)
    )


def _places(rows, side):
    starts = [row[side] for row in rows]
    ends = [row[side] + row[side + 1] for row in rows]
    return pd.DataFrame({"contig": "1", "start": starts, "end": ends})


def test_columns_of_deeptact_and_fewer_negatives(make_genome, write, random_dna):
    genome = make_genome(one=random_dna(400, 7))
    header = "enhancer_chrom,enhancer_start,enhancer_end,promoter_chrom,promoter_start,promoter_end"
    rows = "".join(f"chrone,{100 + 9 * i},{120 + i},one,300,310,{int(i == 0)}\n" for i in range(2))
    rows += "".join(f"one,{100 + i},{150 + i},one,300,310,0\n" for i in range(6))
    path = write("pairs.csv", f"{header},label\n{rows}")
    values = {"contig": None, "enhancer_length": 20, "promoter_length": 10, "cell": "tB"}
    raw = read(task(path, **values, max_negatives=3), genome, seed=2)
    assert np.stack(raw.table["target"])[:, 0].tolist() == [1, 0, 0, 0]
    assert raw.left_out["negative pair not drawn"] == 4
    assert set(raw.table["kind"]) == {"tB"}
    assert raw.table["partner"].nunique() == 1


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        (HEADER + "c\t20\t10\t50\t60\t1\n", {}, ["line 2", "enhancer starts at 20 and ends at 10"]),
        (HEADER + "c\t10\t20\t50\t60\tyes\n", {}, ["line 2, column 'label'", "'yes'"]),
        (HEADER + "c\t10\t20\t-5\t60\t1\n", {}, ["line 2, column 'prom_start'", "'-5'"]),
        (HEADER + "c\t10\t20\t50\t60\t1\n", {"contig": "two"}, ["line 2", "'two' names no"]),
        (HEADER + "c\t10\t20\t50\t60\t1\n", {"contig": None}, ["no column 'enh_chrom'"]),
    ],
)
def test_malformed_pairs(make_genome, write, random_dna, text, changes, said):
    genome = make_genome(one=random_dna(100, 8))
    values = {"contig": "one", "enhancer_length": 10, "promoter_length": 10} | changes
    with pytest.raises(InputError) as error:
        read(task(write("a.tsv", text), **values), genome)
    assert all(part in str(error.value) for part in said)
