"""The share of lower-case bases that goes with every token."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.shards.write import soft_masked


@given(st.lists(st.text("ACGTacgt", min_size=1, max_size=9), min_size=1, max_size=30))
def test_shares_are_those_of_a_count_by_hand(words: list[str]) -> None:
    lengths = np.array([0, *map(len, words)], dtype=np.int32)
    tokens = np.arange(1, len(words) + 1, dtype=np.uint16)
    found = soft_masked("".join(words).encode(), tokens, lengths)
    expected = [255 * sum(map(str.islower, word)) // len(word) for word in words]
    assert found.tolist() == (expected if any(expected) else [])


def test_nothing_is_said_where_letters_and_tokens_do_not_match() -> None:
    lengths = np.array([0, 2], dtype=np.int32)
    assert soft_masked(b"acNNN", np.array([1], np.uint16), lengths).tolist() == []
