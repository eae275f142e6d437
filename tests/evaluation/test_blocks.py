"""Models and baselines are measured on the same blocks."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.blocks import BLOCK, chosen_blocks, in_blocks

spans = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"), st.integers(0, 10**6)).map(
        lambda key: (*key, key[2] + 25_000)
    ),
    min_size=1,
    max_size=20,
)


@given(spans, st.integers(1, 10**6), st.sampled_from([1, 2]))
def test_the_choice_does_not_depend_on_how_the_sequence_was_cut(parts, most, strands):
    whole = chosen_blocks(parts, most, strands=strands)
    cut = [
        (a, c, place, min(place + 700, end))
        for a, c, start, end in parts
        for place in range(start, end, 700)
    ]
    assert chosen_blocks([*cut, *reversed(parts)], most, strands=strands) == whole
    assert whole


@given(spans, st.integers(50_000, 10**6))
def test_no_more_is_chosen_than_asked_for(parts, most):
    chosen = chosen_blocks(parts, most, strands=2)
    every = chosen_blocks(parts, 10**9, strands=2)
    assert chosen <= every
    # Blocks at the ends of stretches are smaller than others: the count is right on average.
    assert len(chosen) == len(every) or len(chosen) * BLOCK <= 2 * most


@given(st.integers(0, 10**5), st.integers(1, 10**5))
def test_parts_join(start, length):
    parts = list(in_blocks(start, start + length))
    assert parts[0][1] == start and parts[-1][2] == start + length
    for number, first, last in parts:
        assert number * BLOCK <= first < last <= (number + 1) * BLOCK
    assert sum(last - first for _, first, last in parts) == length
