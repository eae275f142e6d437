"""Start codons and decoys of hand-made genes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.finetuning.coding import Coding, Transcript
from pipeline_lib.finetuning.decoys import (
    STARTS,
    STOPS,
    find_candidates,
    find_codons,
    usable_windows,
)
from pipeline_lib.intervals import Intervals
from pipeline_lib.sequence import reverse_complement


def coding(*transcripts, genes=None):
    strands = {
        strand: Intervals.of(p for t in transcripts if t.strand == strand for p in t.parts)
        for strand in "+-"
    }
    spans = [(min(p)[0], max(p)[1]) for p in (t.parts for t in transcripts)]
    return Coding(list(transcripts), strands, Intervals.of(genes or spans))


def listed(table, *kinds):
    rows = table[table["kind"].isin(kinds)]
    return list(zip(rows["position"], rows["strand"], strict=True))


@given(st.text(alphabet="ATGCN", max_size=60))
def test_start_codons_on_both_strands(text):
    sequence = text.encode()
    found = find_codons(sequence, STARTS.codons)
    for strand in "+-":
        expected = [
            i
            for i in range(len(sequence) - 2)
            if (sequence[i : i + 3] if strand == "+" else reverse_complement(sequence[i : i + 3]))
            == b"ATG"
        ]
        assert found[strand].tolist() == expected


# 0         1         2         3         4         5
# 012345678901234567890123456789012345678901234567890123456789
GENE = b"CCCATGCCCCCCATGCCATGCCCCCATGCCCGTCCAGATGCCATGCCTAACCCCCCATGCC"
PARTS = ((12, 31), (36, 50))  # the ATG at 25 is at 13: out of frame


def test_kinds_on_the_forward_strand(make_task):
    transcript = Transcript("g", "+", PARTS, 0)
    task = make_task(upstream=10, downstream=3)
    table = find_candidates(GENE, coding(transcript), task, Counter())
    assert listed(table, "tis") == [(12, "+")]
    assert listed(table, "upstream") == [(3, "+")]
    # spliced: 17 - 12 = 5; 25 - 12 = 13; 37 - 36 + 19 = 20; 42 - 36 + 19 = 25
    assert listed(table, "out_of_frame") == [(17, "+"), (25, "+"), (37, "+"), (42, "+")]
    assert listed(table, "in_frame") == []


def test_in_frame_through_an_intron(make_task):
    transcript = Transcript("g", "+", ((12, 31), (35, 50)), 0)
    table = find_candidates(GENE, coding(transcript), make_task(upstream=0), Counter())
    # 37 - 35 + 19 = 21 and 42 - 35 + 19 = 26
    assert listed(table, "in_frame") == [(37, "+")]
    assert (42, "+") in listed(table, "out_of_frame")


def test_the_reverse_strand_mirrors_the_forward_one(make_task):
    task = make_task(upstream=10, downstream=3)
    forward = find_candidates(GENE, coding(Transcript("g", "+", PARTS, 0)), task, Counter())
    size = len(GENE)
    parts = tuple((size - end, size - start) for start, end in PARTS)
    mirrored = find_candidates(
        reverse_complement(GENE), coding(Transcript("g", "-", parts, 0)), task, Counter()
    )
    swap = {"+": "-", "-": "+"}
    expected = {
        (size - 3 - position, swap[strand], kind)
        for position, strand, kind in zip(
            forward["position"], forward["strand"], forward["kind"], strict=True
        )
    }
    assert set(zip(mirrored["position"], mirrored["strand"], mirrored["kind"], strict=True)) == (
        expected
    )


def test_intergenic_windows_touch_no_gene(make_task):
    transcript = Transcript("g", "+", PARTS, 0)
    near = find_candidates(GENE, coding(transcript), make_task(upstream=6), Counter())
    assert (56, "+") in listed(near, "intergenic")
    far = find_candidates(GENE, coding(transcript), make_task(upstream=7), Counter())
    assert (56, "+") not in listed(far, "intergenic")


def test_upstream_of_one_gene_inside_another_is_not_upstream(make_task):
    first, second = Transcript("a", "+", ((3, 12),), 0), Transcript("b", "+", PARTS, 0)
    table = find_candidates(GENE, coding(first, second), make_task(upstream=12), Counter())
    assert listed(table, "upstream") == []
    assert listed(table, "tis") == [(3, "+"), (12, "+")]


def test_starts_that_cannot_serve_are_counted(make_task):
    left_out = Counter()
    transcripts = [
        Transcript("no ATG", "+", ((13, 31),), 0),
        Transcript("split", "+", ((12, 14), (20, 31)), 0),
        Transcript("incomplete", "+", ((12, 31),), 1),
        Transcript("good", "+", ((12, 31),), 0),
        Transcript("same", "+", ((12, 31), (36, 50)), 0),
    ]
    table = find_candidates(GENE, coding(*transcripts), make_task(), left_out)
    assert listed(table, "tis") == [(12, "+")]
    assert left_out == {
        "start codon is not ATG": 1,
        "start codon split by an intron": 1,
        "coding sequence incomplete at its 5' end": 1,
        "same start as another transcript": 1,
    }


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (b"CCATG" + b"C" * 20, "window past the end of the contig"),
        (b"C" * 10 + b"ATG" + b"NN" + b"C" * 10, "window with over 10 % unknown bases"),
    ],
)
def test_unusable_windows_are_counted(make_task, sequence, reason):
    start = sequence.index(b"ATG")
    genes = coding(Transcript("g", "+", ((start, start + 9),), 0))
    task, left_out = make_task(upstream=5, downstream=5), Counter()
    table = find_candidates(sequence, genes, task, left_out)
    kept = usable_windows(table, sequence, task, left_out)
    assert "tis" not in set(kept["kind"])
    assert +left_out == {reason: 1}


def test_windows_follow_the_strand(make_task):
    task = make_task(upstream=2, downstream=4)
    sequence = b"CCCCATGCCCCATCCCCCC"
    table = find_candidates(sequence, Coding(), task, Counter())
    kept = usable_windows(table, sequence, task, Counter())
    windows = {
        row.strand: (row.position, row.start, row.end) for row in kept.itertuples(index=False)
    }
    assert windows == {"+": (4, 2, 11), "-": (10, 6, 15)}


# 0         1         2         3         4
# 0123456789012345678901234567890123456789012345678
STOPPED = b"CCCATGCTAACCTGCCCCTAGCCCTAGCCTGACCCCCCCCCCCTAACCC"
CODING = Transcript("g", "+", ((3, 21),), 0)


def test_stop_codons_and_their_decoys(make_task):
    task = make_task(upstream=3, downstream=12)
    table = find_candidates(STOPPED, coding(CODING), task, Counter(), STOPS)
    assert listed(table, "stop") == [(18, "+")]
    assert listed(table, "out_of_frame") == [(7, "+")]
    # 24 is in frame; 29 is not; 42 is in frame, but further than 12 bases after the codon
    assert listed(table, "downstream") == [(24, "+")]
    assert "in_frame" not in set(table["kind"])


def test_stop_codons_on_the_reverse_strand(make_task):
    task = make_task(upstream=3, downstream=12)
    sequence, size = reverse_complement(STOPPED), len(STOPPED)
    mirrored = Transcript("g", "-", ((size - 21, size - 3),), 0)
    table = find_candidates(sequence, coding(mirrored), task, Counter(), STOPS)
    assert listed(table, "stop") == [(size - 3 - 18, "-")]
    assert listed(table, "downstream") == [(size - 3 - 24, "-")]
    assert listed(table, "out_of_frame") == [(size - 3 - 7, "-")]


def test_stop_codons_that_cannot_serve(make_task):
    left_out = Counter()
    split = Transcript("a", "+", ((3, 12), (18, 19)), 0)
    other = Transcript("b", "+", ((3, 15),), 0)  # ends with TGC
    found = find_candidates(STOPPED, coding(split, other), make_task(), left_out, STOPS)
    assert listed(found, "stop") == []
    assert left_out["stop codon split by an intron"] == 1
    assert left_out["stop codon is not TAA, TAG, TGA"] == 1
