"""Shuffled sequence keeps what it must, and is otherwise random."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.zero.shuffling import shuffle_bases, shuffle_pairs

dna = st.text("ACGT", min_size=1, max_size=80).map(str.encode)


def pairs_of(sequence: bytes) -> Counter[tuple[int, int]]:
    return Counter(pairwise(sequence))


@given(dna, st.integers(0, 99))
def test_counts_of_bases_are_kept(sequence, seed):
    assert Counter(shuffle_bases(sequence, np.random.default_rng(seed))) == Counter(sequence)


@given(dna, st.integers(0, 99))
def test_counts_of_pairs_and_both_ends_are_kept(sequence, seed):
    found = shuffle_pairs(sequence, np.random.default_rng(seed))
    assert pairs_of(found) == pairs_of(sequence)
    assert (found[0], found[-1]) == (sequence[0], sequence[-1])


def test_every_sequence_with_the_same_pairs_is_equally_likely():
    sequence, generator, draws = b"AACAGATC", np.random.default_rng(1), 1_000
    inner = {bytes(order) for order in permutations(sequence[1:-1])}
    possible = {b"A" + one + b"C" for one in inner}
    possible = {one for one in possible if pairs_of(one) == pairs_of(sequence)}
    assert len(possible) > 5
    found = Counter(shuffle_pairs(sequence, generator) for _ in range(draws))
    assert set(found) == possible
    expected = draws / len(possible)
    for count in found.values():
        assert count == pytest.approx(expected, abs=5 * expected**0.5)
