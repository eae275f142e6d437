"""Peaks of ENCODE and Roadmap on chromosome 20 as labels of 200-base bins."""

import gzip
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.chromatin import coverage, read
from pipeline_lib.genome import Genome
from pipeline_lib.intervals import Intervals

GROUPS = {"DHS": "*Dnase*", "TF": "*Tfbs*", "HM": ["*Histone*", "*-H[234]*"]}


def task(peaks, **changes):
    return parse_task({"type": "chromatin", "assembly": "a", "peaks": str(peaks)} | changes)


@pytest.fixture(scope="module")
def peaks(human):
    """Read the peaks by other means than the product does."""
    found = defaultdict(list)
    with gzip.open(human / "encode_peaks_chr20_hg19.bed.gz", "rt") as handle:
        for line in handle:
            _, start, end, name = line.rstrip("\n").split("\t")
            found[name].append((int(start), int(end)))
    return found


@pytest.fixture(scope="module")
def raw(human, chr20):
    path = human / "encode_peaks_chr20_hg19.bed.gz"
    with Genome(chr20) as genome:
        return read(task(path, min_peaks=1, max_bins=300, groups=GROUPS), genome, seed=5)


def test_tracks_are_those_of_the_file(raw, peaks):
    assert sum(map(len, peaks.values())) == 386_367
    assert raw.target.names == tuple(sorted(peaks))
    assert len(raw.target.names) == 382
    assert raw.target.kind == "labels"
    members = [index for group in raw.target.groups.values() for index in group]
    assert len(members) == len(set(members)) > 330  # FAIRE and a few others are in no group
    assert all("Tfbs" in raw.target.names[index] for index in raw.target.groups["TF"])


def test_labels_are_the_definition(raw, peaks):
    for row in raw.table.iloc[::15].itertuples():
        assert row.position % 200 == 0
        covered = []
        for name in raw.target.names:
            bases = np.zeros(200, dtype=bool)
            for start, end in peaks[name]:
                if end > row.position and start < row.position + 200:
                    bases[max(start - row.position, 0) : end - row.position] = True
            covered.append(bases.sum() > 100)
        np.testing.assert_array_equal(row.target, np.float32(covered))
        assert any(covered)


def test_the_bin_is_in_the_middle(raw, chr20, fetch):
    assert len(raw.table) + raw.left_out["window with over 10 % unknown bases"] == 300
    for row in raw.table.iloc[::50].itertuples():
        assert (row.position - row.start, row.end - row.position - 200) == (400, 400)
        assert fetch(chr20, "20", row.start, row.end) == row.sequence


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90)), min_size=1, max_size=8),
    st.integers(2, 60),
)
def test_coverage_counts_bases(pairs, size):
    covered = np.zeros(600 + size, dtype=bool)
    for start, length in pairs:
        covered[start : start + length] = True
    numbers, bases = coverage(Intervals.of((a, a + b) for a, b in pairs), size)
    expected = np.add.reduceat(covered.astype(int), np.arange(0, len(covered), size))
    assert dict(zip(numbers, bases, strict=True)) == {
        index: count for index, count in enumerate(expected) if count
    }


@pytest.mark.parametrize(
    ("bed", "changes", "said"),
    [
        ("one\t10\t60\n", {}, ["line 1", "has no name"]),
        ("one\t10\t6000\ttrack\n", {}, ["line 1", "ends past the contig's end", "1,000"]),
        ("two\t10\t60\ttrack\n", {}, ["line 1", "'two' names no contig"]),
        ("one\t60\t10\ttrack\n", {}, ["line 1", "starts at 60 and ends at 10"]),
        ("one\t10\t12\ttrack\n", {}, ["no bin of 20 bases"]),
        ("one\t10\t60\ttrack\n", {"min_peaks": 2}, ["no track has 2 peaks"]),
        ("one\t10\t60\ttrack\n", {"groups": {"HM": "*K4*"}}, ["'HM'", "'*K4*'", "'track'"]),
    ],
)
def test_malformed_peaks(make_genome, write, random_dna, bed, changes, said):
    genome = make_genome(one=random_dna(1_000, 6))
    values = {"bin": 20, "context": 40, "min_peaks": 1} | changes
    with pytest.raises(InputError) as error:
        read(task(write("a.bed", bed), **values), genome)
    assert all(part in str(error.value) for part in said)
