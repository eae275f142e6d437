"""Masks: rates, what is never masked, and independence of the batch."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.masking import mask_tokens
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS, Vocabulary

WORDS = [*SPECIAL_TOKENS, *("".join(word) for word in product("ACGT", repeat=3))]
VOCABULARY = len(WORDS)
TOKENS = Vocabulary(WORDS, SPECIAL_TOKENS, 5, np.ones(VOCABULARY, np.int32))
CLS, SEP, PAD, MASK = TOKENS.cls, TOKENS.sep, TOKENS.pad, TOKENS.mask


def batch_of(rows: int, length: int, seed: int = 0) -> Batch:
    generator = np.random.default_rng(seed)
    tokens = generator.integers(5, VOCABULARY, (rows, length))
    tokens[:, 0] = CLS
    lengths = generator.integers(3, length + 1, rows)
    for row, end in enumerate(lengths):
        tokens[row, end - 1] = SEP
        tokens[row, end:] = PAD
    return Batch(tokens, lengths, generator.integers(0, 10**6, rows), np.zeros(rows, np.int64))


def test_shares_are_15_percent_and_80_10_10() -> None:
    batch = batch_of(2000, 200)
    masked = mask_tokens(batch, share=0.15, vocabulary=TOKENS, seed=1)
    ordinary = batch.tokens >= 5
    assert abs(masked.targets.sum() / ordinary.sum() - 0.15) < 0.005
    seen = masked.inputs[masked.targets]
    hidden = (seen == MASK).mean()
    same = (seen == masked.answers).mean()
    assert abs(hidden - 0.8) < 0.01
    assert abs(same - (0.1 + 0.1 / (VOCABULARY - 5))) < 0.01
    assert ((seen >= 5) | (seen == MASK)).all()


@given(st.integers(0, 2**31 - 1), st.floats(0.0, 1.0))
def test_special_tokens_and_padding_are_never_predicted_or_changed(seed: int, share: float) -> None:
    batch = batch_of(8, 30, seed)
    masked = mask_tokens(batch, share=share, vocabulary=TOKENS, seed=seed)
    special = batch.tokens < 5
    assert not masked.targets[special].any()
    assert (masked.inputs[~masked.targets] == batch.tokens[~masked.targets]).all()
    assert (masked.answers == batch.tokens[masked.targets]).all()


@given(st.permutations(range(8)), st.integers(0, 100))
def test_a_sample_is_masked_alike_in_any_batch(order: list[int], seed: int) -> None:
    batch = batch_of(8, 30)
    rows = np.array(order[:5])
    part = Batch(batch.tokens[rows], batch.lengths[rows], batch.samples[rows], batch.epoch[rows])
    whole = mask_tokens(batch, share=0.3, vocabulary=TOKENS, seed=seed)
    alone = mask_tokens(part, share=0.3, vocabulary=TOKENS, seed=seed)
    assert (alone.inputs == whole.inputs[rows]).all()


def test_for_validation_all_targets_are_hidden() -> None:
    batch = batch_of(50, 60)
    some = mask_tokens(batch, share=0.3, vocabulary=TOKENS, seed=1)
    every = mask_tokens(batch, share=0.3, vocabulary=TOKENS, seed=1, hide_all=True)
    assert (some.targets == every.targets).all()
    assert (every.inputs[every.targets] == MASK).all()


def test_masks_differ_between_epochs() -> None:
    batch = batch_of(8, 30)
    later = Batch(batch.tokens, batch.lengths, batch.samples, batch.epoch + 1)
    first, second = (mask_tokens(b, share=0.3, vocabulary=TOKENS, seed=1) for b in (batch, later))
    assert (first.targets != second.targets).any()


def test_soft_masked_targets_weigh_less() -> None:
    plain = batch_of(50, 60)
    shares = np.random.default_rng(1).random(plain.tokens.shape).astype(np.float32)
    batch = Batch(plain.tokens, plain.lengths, plain.samples, plain.epoch, shares)
    masked = mask_tokens(batch, share=0.3, vocabulary=TOKENS, seed=1, repeat_weight=0.25)
    assert masked.weights is not None
    assert np.allclose(masked.weights, 1 - 0.75 * shares[masked.targets])
    unweighted = mask_tokens(batch, share=0.3, vocabulary=TOKENS, seed=1)
    assert unweighted.weights is None
    assert (unweighted.inputs == masked.inputs).all()


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(0.05, 0.6))
def test_runs_cover_the_share_that_was_asked_for(seed: int, span: int, share: float) -> None:
    tokens = np.full((400, 200), 7)
    batch = Batch(tokens, np.full(400, 200), np.arange(400), np.zeros(400, np.int64))
    masked = mask_tokens(batch, share=share, vocabulary=TOKENS, seed=seed, span=span)
    assert abs(masked.targets[:, span:].mean() - share) < 0.02


def test_runs_have_the_published_lengths() -> None:
    """6/11, 3/11 and 2/11 of runs have 1, 2 and 3 tokens; rare ones, so that few touch."""
    tokens = np.full((3000, 400), 7)
    batch = Batch(tokens, np.full(3000, 400), np.arange(3000), np.zeros(3000, np.int64))
    targets = mask_tokens(batch, share=0.005, vocabulary=TOKENS, seed=1, span=3).targets
    edges = np.diff(np.pad(targets, ((0, 0), (1, 1))).astype(int), axis=1)
    lengths = np.argwhere(edges == -1)[:, 1] - np.argwhere(edges == 1)[:, 1]
    found = np.bincount(lengths, minlength=4)[1:4] / len(lengths)
    assert np.abs(found - np.array([6, 3, 2]) / 11).max() < 0.03


def test_tokens_with_n_are_neither_predicted_nor_drawn() -> None:
    words = [*SPECIAL_TOKENS, "-", "N", "A", "C", "G", "T", "AN"]
    vocabulary = Vocabulary(words, SPECIAL_TOKENS, 5, np.ones(len(words), np.int32))
    tokens = np.random.default_rng(0).integers(5, len(words), (200, 100))
    batch = Batch(tokens, np.full(200, 100), np.arange(200), np.zeros(200, np.int64))
    masked = mask_tokens(batch, share=0.5, vocabulary=vocabulary, seed=1)
    known = np.isin(tokens, [7, 8, 9, 10])
    assert not masked.targets[~known].any() and masked.targets[known].mean() > 0.45
    changed = masked.inputs != tokens
    assert set(np.unique(masked.inputs[changed])) == {4, 7, 8, 9, 10}


@given(
    text=st.text("ACGTN", min_size=1, max_size=120),
    k=st.integers(2, 5),
    share=st.floats(0.05, 0.9),
    span=st.integers(1, 8),
    seed=st.integers(0, 10**6),
)
def test_no_base_of_a_target_is_visible(
    text: str, k: int, share: float, span: int, seed: int
) -> None:
    """Words that overlap: no word left in the input holds a base of a word to be predicted."""
    every = ["".join(word) for word in product("ACGTN", repeat=k)]
    words = [*SPECIAL_TOKENS, *every]
    overlapping = Vocabulary(words, SPECIAL_TOKENS, 5, np.ones(len(words), np.int32), k - 1)
    ids = {word: number for number, word in enumerate(words)}
    cut = [ids[text[i : i + k]] for i in range(len(text) - k + 1)]
    line = np.array([[CLS, *cut, SEP, PAD]])
    batch = Batch(line, np.array([len(cut) + 2]), np.array([3]), np.array([0]))
    masked = mask_tokens(batch, share=share, vocabulary=overlapping, seed=seed, span=span)
    visible = set()
    for place in range(len(cut)):
        if masked.inputs[0, place + 1] != MASK:
            assert masked.inputs[0, place + 1] == line[0, place + 1]
            visible |= set(range(place, place + k))
    for place in np.flatnonzero(masked.targets[0]) - 1:
        assert not visible & set(range(place, place + k))
        assert "N" not in text[place : place + k]
    assert (masked.inputs[0, [0, -2, -1]] == [CLS, SEP, PAD]).all()


def test_overlapping_words_are_predicted_often_enough() -> None:
    every = ["".join(word) for word in product("ACGT", repeat=3)]
    words = [*SPECIAL_TOKENS, *every]
    overlapping = Vocabulary(words, SPECIAL_TOKENS, 5, np.ones(len(words), np.int32), 2)
    tokens = np.random.default_rng(0).integers(5, len(words), (500, 300))
    batch = Batch(tokens, np.full(500, 300), np.arange(500), np.zeros(500, np.int64))
    masked = mask_tokens(batch, share=0.15, vocabulary=overlapping, seed=1)
    assert abs((masked.inputs == MASK).mean() - 0.15) < 0.01  # runs of 7: 3 targets, 2 at each end
    assert 0.15 * 3 / 7 < masked.targets.mean() < 0.15 * 5 / 7
