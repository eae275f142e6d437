"""Corpora take turns as their weights say, in an order that depends on seed and place alone."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json, write_json
from pipeline_lib.pretraining.data import Batch, Samples
from pipeline_lib.pretraining.mixture import LARGEST_BLOCK, Mixture, share_out
from pipeline_lib.tokenizer.vocabulary import Vocabulary

CONTEXT = 18
Mix = Callable[..., Mixture]


@pytest.fixture(scope="module")
def folders(make_shards: Callable[..., Path]) -> list[Path]:
    """Return three corpora: the second has short documents alone, the third is small."""
    sizes = ((17, 150, 0), (40, 9, 1), (3, 60, 2))
    return [make_shards(many, longest, 2, seed=seed) for many, longest, seed in sizes]


@pytest.fixture(scope="module")
def mix(folders: list[Path], vocabulary: Vocabulary) -> Mix:
    def mix(weights: list[float], seed: int = 3, soft_masked: bool = False) -> Mixture:
        parts = [
            Samples(folder, vocabulary, CONTEXT, seed, soft_masked=soft_masked)
            for folder in folders[: len(weights)]
        ]
        return Mixture(parts, weights, seed)

    return mix


def same(mine: Batch, other: Batch) -> bool:
    width = max(mine.tokens.shape[1], other.tokens.shape[1])
    first, second = (
        np.pad(batch.tokens, ((0, 0), (0, width - batch.tokens.shape[1])), constant_values=-1)
        for batch in (mine, other)
    )
    places = np.arange(width) < mine.lengths[:, None]
    return (
        (mine.lengths == other.lengths).all()
        and (mine.samples == other.samples).all()
        and (mine.epoch == other.epoch).all()
        and (first[places] == second[places]).all()
    )


def origins(mixture: Mixture, batch: Batch) -> np.ndarray:
    return np.searchsorted(mixture._offsets, batch.samples, side="right") - 1


@given(st.lists(st.floats(0.05, 50), min_size=1, max_size=8))
def test_places_are_shared_out_by_weight(weights: list[float]) -> None:
    block, places = share_out(weights)
    exact = np.array(weights) / sum(weights) * block
    assert places.sum() == block <= LARGEST_BLOCK
    assert (np.abs(places - exact) < 1).all()
    assert len(weights) == 1 or (np.abs(places / exact - 1) < 1 / 64).all()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    weights=st.lists(st.floats(0.1, 5), min_size=2, max_size=3),
    block=st.integers(0, 10**9),
    seed=st.integers(0, 3),
)
def test_every_block_has_exactly_its_shares(
    mix: Mix, weights: list[float], block: int, seed: int
) -> None:
    mixture = mix(weights, seed)
    corpora, firsts = mixture._corpora(block * mixture.block, mixture.block)
    assert (np.bincount(corpora, minlength=len(weights)) == mixture.places).all()
    assert (firsts == block * mixture.places).all()
    later, after = mixture._corpora(block * mixture.block + 100, mixture.block)
    assert (later[:-100] == corpora[100:]).all()
    assert (after - firsts == np.bincount(corpora[:100], minlength=len(weights))).all()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    begin=st.integers(0, 5000),
    cuts=st.lists(st.integers(0, 60), min_size=0, max_size=5),
    seed=st.integers(0, 2),
)
def test_any_split_of_a_range_gives_the_same_rows(
    mix: Mix, begin: int, cuts: list[int], seed: int
) -> None:
    weights = [1.0, 0.4, 0.05]
    whole = mix(weights, seed).batch(begin, 60)
    walked = mix(weights, seed)
    edges = [0, *sorted(cuts), 60]
    for first, last in pairwise(edges):
        if last > first:
            part = walked.batch(begin + first, last - first)
            assert same(part, whole.rows(np.arange(first, last)))


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(begin=st.integers(0, 5000), size=st.integers(1, 40))
def test_one_corpus_alone_is_itself(
    mix: Mix, folders: list[Path], vocabulary: Vocabulary, begin: int, size: int
) -> None:
    alone = Samples(folders[0], vocabulary, CONTEXT, 3)
    mixture = mix([0.7])
    mine, other = mixture.batch(begin, size), alone.batch(begin, size)
    assert same(mine, other) and (mine.tokens == other.tokens).all()
    assert len(mixture) == len(alone)
    assert mixture.coordinates(int(other.samples[0])) == alone.coordinates(int(other.samples[0]))


def test_each_corpus_goes_through_its_own_stream(
    mix: Mix, folders: list[Path], vocabulary: Vocabulary
) -> None:
    mixture = mix([1.0, 2.0, 0.5])
    batch = mixture.batch(500, 600)  # across a border of blocks, and several epochs of the small
    of, (_, firsts) = origins(mixture, batch), mixture._corpora(500, 600)
    for number, folder in enumerate(folders):
        rows = batch.rows(np.flatnonzero(of == number))
        alone = Samples(folder, vocabulary, CONTEXT, 3)
        own = alone.batch(int(firsts[number]), len(rows.samples))
        assert (rows.samples - mixture._offsets[number] == own.samples).all()
        assert (rows.epoch == own.epoch).all()
        assert (rows.tokens[:, : own.tokens.shape[1]] == own.tokens).all()
        assert (rows.tokens[:, own.tokens.shape[1] :] == vocabulary.pad).all()
    assert len(set(batch.epoch[of == 2].tolist())) > 1
    assert len(set(zip(batch.samples.tolist(), batch.epoch.tolist(), strict=True))) == 600


def test_a_pass_ends_when_a_corpus_begins_anew(mix: Mix) -> None:
    mixture = mix([1.0, 0.2, 0.1])
    lengths, shares = np.diff(mixture._offsets), mixture.places / mixture.block
    assert len(mixture) == int((lengths / shares).min())
    read = np.bincount(mixture._corpora(0, len(mixture))[0], minlength=3) / lengths
    assert read.max() == pytest.approx(1.0, abs=0.15)  # but for the order of the last block
    assert read.argmax() == (lengths / shares).argmin()


def test_coordinates_are_those_of_the_corpus(
    mix: Mix, folders: list[Path], vocabulary: Vocabulary
) -> None:
    mixture = mix([1.0, 1.0])
    own = Samples(folders[1], vocabulary, CONTEXT, 3)
    first = int(mixture._offsets[1])
    assert mixture.coordinates(first) == own.coordinates(0)
    assert mixture.coordinates(first + len(own) - 1) == own.coordinates(len(own) - 1)


def test_seeds_differ_and_soft_masks_go_with_their_tokens(mix: Mix) -> None:
    first, second = (mix([1.0, 1.0], seed).batch(0, 50) for seed in (3, 4))
    assert (first.samples != second.samples).any()
    batch = mix([1.0, 1.0], soft_masked=True).batch(5, 50)
    assert batch.soft_masked is not None
    # The shards of these tests call token 6 lower-case, and no other.
    assert (batch.soft_masked == (batch.tokens == 6)).all()


def test_mixtures_that_cannot_be(
    folders: list[Path], vocabulary: Vocabulary, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="raise the smallest weight"):
        share_out([1.0, 1e-9])
    with pytest.raises(InputError, match="numbers above 0"):
        share_out([1.0, 0.0])
    other = tmp_path / "other"
    other.mkdir()
    manifest = read_json(folders[1] / "manifest.json")
    for part in manifest["parts"]:
        (other / part["name"]).symlink_to(folders[1] / part["name"])
    write_json(other / "manifest.json", manifest | {"vocab_size": 99})
    parts = [Samples(folder, vocabulary, CONTEXT, 3) for folder in (folders[0], other)]
    with pytest.raises(InputError, match="17 and 99 tokens"):
        Mixture(parts, [1, 1], seed=0)
