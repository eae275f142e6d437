"""Stages of growing inputs, short samples, and batches that are functions of their step."""

from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.config.pretraining import LengthWarmup, PretrainingSettings
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.objective import make_objective
from pipeline_lib.pretraining.ranks import Ranks
from pipeline_lib.pretraining.stream import SHORTEST, Stream, plan_stages, shorten
from pipeline_lib.tokenizer.vocabulary import Vocabulary
from tests.pretraining.test_losses import SHAPES


@pytest.fixture(scope="module")
def shards(make_shards: Callable[..., Path]) -> Path:
    return make_shards(documents=17, longest=120, per_part=2)


def settings_of(**changes: object) -> PretrainingSettings:
    return PretrainingSettings(**{"batch_size": 4, **changes})


@given(st.integers(8, 4000), st.integers(8, 200), st.integers(1, 5000), st.integers(1, 64))
def test_lengths_double_and_batches_hold_as_many_tokens(
    length: int, start: int, steps: int, batch_size: int
) -> None:
    warmup = LengthWarmup(start=start, steps=steps)
    stages = plan_stages(settings_of(batch_size=batch_size, length_warmup=warmup), length)
    assert stages[0].first_step == 0 and stages[-1].length == length
    assert stages[-1].batch_size == batch_size
    for early, late in pairwise(stages):
        assert early.first_step <= late.first_step <= steps
        assert early.length < late.length <= 2 * early.length
    tokens = batch_size * length
    assert all(tokens - s.length < s.length * s.batch_size <= tokens for s in stages)


def test_published_stages() -> None:
    found = plan_stages(settings_of(length_warmup={"start": 64, "steps": 400}), 1024)
    assert [(s.first_step, s.length, s.batch_size) for s in found] == [
        (0, 64, 64), (100, 128, 32), (200, 256, 16), (300, 512, 8), (400, 1024, 4)
    ]  # fmt: skip


def test_a_batch_is_a_function_of_its_step(shards: Path, vocabulary: Vocabulary) -> None:
    settings = settings_of(length_warmup={"start": 8, "steps": 6}, short_share=0.5)
    streams = [Stream([shards], vocabulary, settings, 30, seed=3) for _ in range(2)]
    walked = [streams[0].batch(step) for step in range(12)]
    for step in (9, 2, 7, 11, 0):
        assert (streams[1].batch(step).tokens == walked[step].tokens).all()
    model = build_model(SHAPES["bert"], len(vocabulary))
    objective = make_objective(settings, vocabulary, model, context_length=30, seed=3)
    for workers in (1, 3):
        works = list(islice(streams[1].work(5, objective, workers), 7))
        assert all(
            (work.batch.tokens == batch.tokens).all()
            and (work.examples.answers == objective.examples(batch).answers).all()
            for work, batch in zip(works, walked[5:], strict=True)
        )
    assert {batch.tokens.shape[1] <= 8 for batch in walked[:3]} == {True}
    assert max(batch.tokens.shape[1] for batch in walked) > 16


def test_processes_share_each_batch(shards: Path, vocabulary: Vocabulary) -> None:
    settings = settings_of(length_warmup={"start": 8, "steps": 6}, batch_size=5)
    whole = Stream([shards], vocabulary, settings, 30, seed=3)
    parts = [
        Stream([shards], vocabulary, settings, 30, seed=3, ranks=Ranks(number, 3))
        for number in range(3)
    ]
    for step in (0, 4, 9):
        shares = [part.batch(step) for part in parts]
        batch = whole.batch(step)
        assert np.concatenate([share.samples for share in shares]).tolist() == list(batch.samples)
        assert np.concatenate([share.lengths for share in shares]).tolist() == list(batch.lengths)


def test_several_corpora_are_drawn_from_by_weight(
    make_shards: Callable[..., Path], vocabulary: Vocabulary
) -> None:
    folders = [make_shards(9, 80, 2, seed=seed) for seed in (1, 2)]
    stream = Stream(folders, vocabulary, settings_of(batch_size=64), 30, seed=3, weights=[3, 1])
    first = len(Stream(folders[:1], vocabulary, settings_of(), 30, seed=3).samples)
    drawn = np.concatenate([stream.batch(step).samples for step in range(16)])
    assert (drawn >= first).mean() == pytest.approx(0.25, abs=0.01)


def test_coordinates_belong_to_the_stage(shards: Path, vocabulary: Vocabulary) -> None:
    settings = settings_of(length_warmup={"start": 8, "steps": 6})
    stream = Stream([shards], vocabulary, settings, 30, seed=3)
    for step in (0, 20):
        found = stream.coordinates(step, int(stream.batch(step).samples[0]))
        assert found["assembly"] == "toy" and found["contig"] == "chr1"
    assert stream.coordinates(0, 3)["piece"].endswith(
        str(-(-stream.samples._shards.document_tokens[0] // 6))
    )


@given(share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_short_samples_are_beginnings(share: float, seed: int, vocabulary: Vocabulary) -> None:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, 40, 30)
    tokens = np.full((30, 40), vocabulary.pad)
    for row, length in enumerate(lengths):
        tokens[row, :length] = [
            vocabulary.cls, *generator.integers(6, 10, length - 2), vocabulary.sep
        ]  # fmt: skip
    masked = np.where(tokens == 7, 1, 0).astype(np.float32)
    batch = Batch(tokens, lengths, np.arange(30), np.zeros(30, np.int64), masked)
    cut = shorten(batch, share, vocabulary, seed)
    assert cut.soft_masked is not None and cut.soft_masked.shape == cut.tokens.shape
    for row, (old, new) in enumerate(zip(lengths, cut.lengths, strict=True)):
        assert min(SHORTEST, old) <= new <= old
        assert (cut.tokens[row, : new - 1] == tokens[row, : new - 1]).all()
        assert cut.tokens[row, new - 1] == vocabulary.sep
        assert (cut.tokens[row, new:] == vocabulary.pad).all()
        assert (cut.soft_masked[row, new - 1 :] == 0).all()


def test_the_share_of_short_samples() -> None:
    vocabulary = Vocabulary(list("abcdefgh"), tuple("abcde"), 5, np.ones(8, np.int32))
    tokens = np.full((4000, 100), 6)
    count = np.arange(4000)
    batch = Batch(tokens, np.full(4000, 100), count, np.zeros(4000, np.int64))
    cut = shorten(batch, 0.1, vocabulary, 1)
    assert abs((cut.lengths < 100).mean() - 0.1) < 0.02
    assert abs(cut.lengths[cut.lengths < 100].mean() - 54) < 5
