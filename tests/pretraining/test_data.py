"""The stream of samples is a function of seed and position, and holds every token once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.pretraining.data import Samples
from pipeline_lib.shards.reader import Shards
from pipeline_lib.tokenizer.vocabulary import Vocabulary

CONTEXT = 18


@pytest.fixture(scope="module")
def shards(make_shards: Callable[..., Path]) -> Path:
    return make_shards(documents=17, per_part=2)


def test_an_epoch_holds_every_token_of_every_document_once(
    shards: Path, vocabulary: Vocabulary
) -> None:
    samples, reader = Samples(shards, vocabulary, CONTEXT, seed=3), Shards(shards)
    batch = samples.batch(0, len(samples))
    assert sorted(batch.samples.tolist()) == list(range(len(samples)))
    pieces = {
        int(number): row[1 : length - 1]
        for number, row, length in zip(batch.samples, batch.tokens, batch.lengths, strict=True)
    }
    stream = np.concatenate([pieces[number] for number in sorted(pieces)])
    expected = np.concatenate([reader.tokens(d) for d in range(len(reader.document_tokens))])
    assert (stream == expected).all()


def test_samples_are_framed_padded_and_nearly_equal(shards: Path, vocabulary: Vocabulary) -> None:
    samples = Samples(shards, vocabulary, CONTEXT, seed=3)
    batch = samples.batch(0, len(samples))
    for row, length in zip(batch.tokens, batch.lengths, strict=True):
        assert row[0] == vocabulary.cls and row[length - 1] == vocabulary.sep
        assert (row[length:] == vocabulary.pad).all()
        assert length <= CONTEXT
    by_document: dict[int, list[int]] = {}
    for number, length in zip(batch.samples, batch.lengths, strict=True):
        by_document.setdefault(samples.coordinates(int(number))["document"], []).append(length)
    assert all(max(lengths) - min(lengths) <= 1 for lengths in by_document.values())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begin=st.integers(0, 400), size=st.integers(1, 30), seed=st.integers(0, 3))
def test_a_batch_is_the_same_however_one_gets_there(
    shards: Path, vocabulary: Vocabulary, begin: int, size: int, seed: int
) -> None:
    fresh = Samples(shards, vocabulary, CONTEXT, seed).batch(begin, size)
    walked = Samples(shards, vocabulary, CONTEXT, seed)
    for place in range(max(0, begin - 50), begin, 7):
        walked.batch(place, 7)
    again = walked.batch(begin, size)
    assert (fresh.samples == again.samples).all()
    assert (fresh.tokens == again.tokens).all()
    assert (fresh.epoch == again.epoch).all()


def test_epochs_and_seeds_differ(shards: Path, vocabulary: Vocabulary) -> None:
    samples = Samples(shards, vocabulary, CONTEXT, seed=3)
    n = len(samples)
    first, second = samples.batch(0, n), samples.batch(n, n)
    assert (second.epoch == 1).all()
    assert (first.samples != second.samples).any()
    assert (Samples(shards, vocabulary, CONTEXT, seed=4).batch(0, n).samples != first.samples).any()


def test_validation_samples_are_spread_and_fixed(shards: Path, vocabulary: Vocabulary) -> None:
    samples = Samples(shards, vocabulary, CONTEXT, seed=3)
    numbers = np.concatenate([batch.samples for batch in samples.spread(9, 4)])
    assert len(numbers) == 9
    assert numbers[0] == 0 and numbers[-1] == len(samples) - 1


def test_soft_masks_go_with_their_tokens(shards: Path, vocabulary: Vocabulary) -> None:
    samples = Samples(shards, vocabulary, CONTEXT, seed=3, soft_masked=True)
    for begin in (0, 40, 7):
        batch = samples.batch(begin, 20)
        assert batch.soft_masked is not None
        # The shards of these tests call token 6 lower-case, and no other.
        assert (batch.soft_masked == (batch.tokens == 6)).all()
        part = batch.rows(np.arange(3, 9))
        assert (part.soft_masked == batch.soft_masked[3:9]).all()
    assert Samples(shards, vocabulary, CONTEXT, seed=3).batch(0, 4).soft_masked is None
