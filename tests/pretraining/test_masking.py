"""Masks: rates, what is never masked, and independence of the batch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.masking import mask_tokens
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS, Vocabulary

VOCABULARY = 50
WORDS = [*SPECIAL_TOKENS, GAP_TOKEN, *(f"w{i}" for i in range(6, VOCABULARY))]
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
