"""Sets of intervals against sets of bases."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.intervals import EMPTY, Intervals
from pipeline_lib.randomness import named_generator

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=8).map(
    lambda pairs: [(start, start + size) for start, size in pairs]
)


def bases(spans):
    return {base for start, end in spans for base in range(start, end)}


@given(SPANS)
def test_union_covers_the_same_bases_and_is_disjoint(spans):
    union = Intervals.of(spans)
    pairs = list(zip(union.starts.tolist(), union.ends.tolist(), strict=True))
    assert bases(pairs) == bases(spans)
    assert union.bases == len(bases(spans))
    assert all(end < start for (_, end), (start, _) in pairwise(pairs))


@given(SPANS, st.integers(0, 45), st.integers(1, 10))
def test_overlap_and_containment(spans, start, size):
    union, window = Intervals.of(spans), set(range(start, start + size))
    assert union.overlaps([start], [start + size])[0] == bool(window & bases(spans))
    assert union.contains([start], [start + size])[0] == (window <= bases(spans))


def test_nothing_overlaps_nothing():
    assert not EMPTY.overlaps([0, 5], [3, 9]).any()
    assert not EMPTY.contains([0, 5], [3, 9]).any()
    assert len(EMPTY) == 0


def test_generators_differ_by_name_and_by_seed():
    draws = [
        named_generator(seed, *names).integers(2**62)
        for seed in (1, 2)
        for names in (("a",), ("b",), ("a", 1), ("a", "1"))
    ]
    assert len(set(draws)) == len(draws)
