"""Planted copies are found, unrelated sequence is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.finetuning import homology
from pipeline_lib.finetuning.homology import find_homology, separate
from pipeline_lib.sequence import reverse_complement

K, SHARED = 15, 20


@pytest.fixture(scope="module")
def unrelated():
    letters = np.random.default_rng(7).choice(list(b"ACGT"), size=(400, 303)).astype(np.uint8)
    return [bytes(row) for row in letters]


def groups(sequences):
    return find_homology(sequences, k=K, shared=SHARED).groups()


def shared_kmers(one, other):
    def kmers(sequence):
        words = {sequence[i : i + K] for i in range(len(sequence) - K + 1)}
        return {min(word, reverse_complement(word)) for word in words}

    return len(kmers(one) & kmers(other))


def mutate(sequence, share, seed):
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(sequence, np.uint8).copy()
    hit = rng.random(len(letters)) < share
    letters[hit] = rng.choice(list(b"ACGT"), size=hit.sum())
    return letters.tobytes()


def test_unrelated_sequence_is_not_linked(unrelated):
    assert (groups(unrelated) == np.arange(len(unrelated))).all()


def test_low_complexity_does_not_link(unrelated):
    repeats = [b"A" * 150, b"CA" * 75, b"CAG" * 50, b"TTTTTTA" * 21]
    decorated = [sequence[:150] + repeats[i % 4] for i, sequence in enumerate(unrelated)]
    assert (groups(decorated) == np.arange(len(unrelated))).all()


@pytest.mark.parametrize("change", ["copy", "reverse complement", "overlap", "mutated"])
def test_planted_relatives_are_found(unrelated, change):
    original = unrelated[11]
    other = {
        "copy": original,
        "reverse complement": reverse_complement(original),
        "overlap": unrelated[12][::-1][:250] + original[:53],
        # a tenth of the bases changed, but for a stretch of 60 that was conserved
        "mutated": mutate(original[:240], 0.1, seed=3) + original[240:],
    }[change]
    found = groups([*unrelated, other])
    assert found[-1] == found[11]
    assert len(set(found)) == len(unrelated)


def test_relatives_are_transitive(unrelated):
    chain = unrelated[0] + unrelated[1]
    windows = [chain[start : start + 303] for start in (0, 150, 303)]
    homologous = find_homology(windows, k=K, shared=SHARED)
    assert homologous.links.toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert homologous.groups().tolist() == [0, 0, 0]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(20, 80)), min_size=2, max_size=8))
def test_links_equal_a_count_pair_by_pair(pieces):
    source = bytes(np.random.default_rng(1).choice(list(b"ACGT"), size=300).astype(np.uint8))
    sequences = [source[start : start + length] for start, length in pieces]
    found = find_homology(sequences, k=K, shared=SHARED).links.toarray()
    for i, one in enumerate(sequences):
        for j, other in enumerate(sequences):
            assert found[i, j] == (i != j and shared_kmers(one, other) >= SHARED)


def test_counting_in_portions_changes_nothing(unrelated, monkeypatch):
    sequences = [*unrelated, *(reverse_complement(one) for one in unrelated[:50])]
    whole = groups(sequences)
    monkeypatch.setattr(homology, "PORTION", 5_000)
    assert (groups(sequences) == whole).all()


def test_thinned_out_kmers_still_find_copies(unrelated, monkeypatch):
    monkeypatch.setattr(homology, "MAX_KMERS", 30_000)
    found = find_homology([*unrelated, unrelated[5]], k=K, shared=SHARED)
    assert found.kept_share < 0.3
    assert found.groups()[-1] == found.groups()[5]


def test_kmers_of_very_many_examples_are_ignored_and_counted(unrelated, monkeypatch):
    monkeypatch.setattr(homology, "MAX_EXAMPLES", 50)
    element = unrelated[-1][:100]
    carriers = [element + sequence[100:] for sequence in unrelated[:100]]
    found = find_homology(carriers, k=K, shared=SHARED)
    assert found.ignored_kmers >= 100 - K + 1
    assert len(set(found.groups())) == 100


def test_sequence_shorter_than_k_or_unknown_is_alone():
    assert groups([b"", b"ACG", b"N" * 300, b"N" * 300]).tolist() == [0, 1, 2, 3]


def test_separate_keeps_the_held_out_member(unrelated):
    sequences = [unrelated[0], unrelated[0], reverse_complement(unrelated[1]), unrelated[1]]
    sequences += [unrelated[2], unrelated[2]]
    splits = np.array(["train", "test", "valid", "test", "train", "valid"])
    found = find_homology(sequences, k=K, shared=SHARED)
    assert separate(found, splits).tolist() == [False, True, False, True, False, True]


def test_separate_does_not_drop_for_what_is_dropped_itself(unrelated):
    chain = unrelated[0] + unrelated[1]
    windows = [chain[start : start + 303] for start in (0, 150, 303)]  # 0-1 and 1-2 are linked
    found = find_homology(windows, k=K, shared=SHARED)
    kept = separate(found, np.array(["test", "valid", "train"]))
    assert kept.tolist() == [True, False, True]
    assert found.subset(kept).groups().tolist() == [0, 1]
