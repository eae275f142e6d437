"""Pseudo-likelihood: every token once, and figures that are known beforehand."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.likelihood import next_token_bits
from pipeline_lib.evaluation.pretraining import (
    evaluate_pretraining,
    mean_of_strands,
    mirrored_windows,
    scored_lengths,
    token_bits,
    token_frequencies,
)
from pipeline_lib.evaluation.windows import (
    Window,
    assign_rounds,
    batches,
    masked_inputs,
    read_windows,
)
from pipeline_lib.files import read_json, write_json
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.randomness import named_generator
from pipeline_lib.shards.reader import Shards
from pipeline_lib.shards.write import write_shards
from pipeline_lib.tokenizer.encode import load_tokenizer
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from pipeline_lib.tokenizer.train import make_tokenizer
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS, Vocabulary, read_vocabulary

SHAPE = Architecture(
    layers=1, width=16, heads=2, feedforward_width=32, context_length=34, dropout=0.1
)
SETTINGS = EvaluationConfig(bootstrap_samples=100, mask_rounds=5)


@pytest.fixture(scope="module")
def world(yeast, write_documents, tmp_path_factory):
    """Return a folder with a tokenizer, shards of yeast's contig I, baselines and a model."""
    folder, genomes = tmp_path_factory.mktemp("world"), {"S288C": yeast}
    contig = "ref|NC_001133|"
    rows = {
        "train": [(contig, "+", at, at + 5_000) for at in range(0, 50_000, 5_000)],
        "test": [(contig, s, at, at + 5_000) for s in "+-" for at in range(60_000, 90_000, 5_000)],
    }
    for split, part in rows.items():
        write_documents(folder / f"{split}.parquet", part, assembly="S288C")
    make_tokenizer(
        folder / "train.parquet",
        genomes,
        folder / "tokenizer.json",
        folder / "stats.json",
        TokenizerSettings(vocab_size=80),
        seed=1,
    )
    for split in rows:
        documents, tokenizer = folder / f"{split}.parquet", folder / "tokenizer.json"
        write_shards(documents, genomes, tokenizer, folder / split, ShardsConfig(), workers=1)
    write_json(folder / "markov.json", {"markov": {"1": {"value": 1.9}}, "best_order": 1})
    torch.manual_seed(1)
    save(folder, "random", MaskedLanguageModel(SHAPE, 80))
    return folder


def save(folder, name, network):
    save_model(folder / name, network, SHAPE, folder / "tokenizer.json", card="test")


def evaluate(world, name, **changes):
    evaluate_pretraining(
        world / name,
        world / "train",
        world / "test",
        world / "markov.json",
        world / f"{name}.json",
        SETTINGS.model_copy(update=changes),
        name=name,
        seed=1,
        threads=1,
    )
    return read_json(world / f"{name}.json")


WORDS = [*SPECIAL_TOKENS, "-", *"ACGNT", *(f"w{i}" for i in range(69))]
STANDARD = Vocabulary(WORDS, SPECIAL_TOKENS, 5, np.ones(80, np.int32))
CLS, SEP, PAD, MASK, GAP = 1, 2, 3, 4, 5


def windows_of(world, **changes):
    vocabulary = read_vocabulary(world / "tokenizer.json")
    base = {"context_length": 34, "max_bases": 10**9, "rounds": 5, "seed": 1}
    return read_windows(Shards(world / "test"), vocabulary, **(base | changes))


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 99))
def test_rounds_are_even_and_hide_every_token_once(length, rounds, seed):
    drawn = assign_rounds(length, rounds, named_generator(seed, "x"))
    sizes = np.bincount(drawn, minlength=rounds)
    assert sizes.max() - sizes.min() <= 1
    tokens = np.arange(10, 10 + length)
    window = Window(tokens, ("a", "b", 0), drawn)
    seen = np.zeros(length, dtype=int)
    for number in range(rounds):
        inputs, hidden = masked_inputs([window], number, STANDARD)
        assert inputs[0, 0] == CLS
        assert inputs[0, -1] == SEP
        assert (inputs[0, hidden[0]] == MASK).all()
        assert (inputs[0, 1:-1][~hidden[0, 1:-1]] == tokens[~hidden[0, 1:-1]]).all()
        seen += hidden[0, 1:-1]
    assert (seen == 1).all()


def test_windows_cover_every_token_of_the_split_once(world):
    windows = windows_of(world)
    expected = [tokens for *_, tokens in Shards(world / "test").rows()]
    joined = np.concatenate([window.tokens for window in windows])
    np.testing.assert_array_equal(joined, np.concatenate(expected))
    assert max(len(window.tokens) for window in windows) <= 32
    # Both strands cover the same three blocks of 10 kb.
    assert {window.place[2] for window in windows} == {6, 7, 8}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=50), st.integers(10, 200))
def test_batches_have_every_window_once(lengths, tokens):
    windows = [Window(np.zeros(n, int), ("a", "b", 0), np.zeros(n, int)) for n in lengths]
    parts = list(batches(windows, tokens))
    assert sorted(itertools.chain(*parts)) == list(range(len(windows)))
    for part in parts:
        longest = max(lengths[index] for index in part) + 2
        assert len(part) == 1 or len(part) * longest <= tokens


def test_a_part_of_the_windows_is_evenly_spread(world):
    everything, part = windows_of(world), windows_of(world, max_bases=40_000)
    assert len(part) == pytest.approx(len(everything) * 2 / 3, rel=0.05)
    assert {window.place[2] for window in part} == {6, 8}
    whole = {window.tokens.tobytes(): window.rounds for window in everything}
    assert all((whole[window.tokens.tobytes()] == window.rounds).all() for window in part)


def test_bits_equal_a_plain_loop(world):
    torch.manual_seed(3)
    network = MaskedLanguageModel(SHAPE, 80)
    windows = windows_of(world, max_bases=3_000)
    found = token_bits(network, windows, 5, STANDARD)
    network.eval()
    for window, bits in zip(windows, found, strict=True):
        for number in range(5):
            chosen = np.flatnonzero(window.rounds == number)
            text = [CLS, *window.tokens, SEP]
            for index in chosen:
                text[index + 1] = MASK
            everywhere = torch.ones(1, len(text), dtype=torch.bool)
            with torch.no_grad():
                logits = network(torch.tensor([text]), None, everywhere).double()
            logits[:, :GAP] = -torch.inf
            surprise = -torch.log_softmax(logits, dim=1).numpy() / np.log(2)
            for index in chosen:
                assert bits[index] == pytest.approx(
                    surprise[index + 1, window.tokens[index]], abs=1e-4
                )


def test_padding_and_specials_are_never_scored(world):
    network = MaskedLanguageModel(SHAPE, 80)
    tokens = np.array([6, PAD, 7, 0, 8])
    window = Window(tokens, ("a", "b", 0), np.array([0, 1, 0, 1, 1]))
    (bits,) = token_bits(network, [window], 2, STANDARD)
    assert np.isnan(bits).tolist() == [False, True, False, True, False]


def test_a_model_of_frequencies_equals_the_unigram_baseline(world):
    network = MaskedLanguageModel(SHAPE, 80)
    counts = torch.zeros(80)
    for *_, tokens in Shards(world / "train").rows():
        counts += torch.bincount(torch.from_numpy(tokens.astype(np.int64)), minlength=80)
    network.start_from_frequencies(counts)
    with torch.no_grad():
        network.encoder.tokens.weight.zero_()  # the output is its bias alone
    save(world, "frequencies", network)
    result = evaluate(world, "frequencies")
    unigram = result["baselines"]["token_unigram"]
    for key in ("value", "low", "high"):
        assert result["bits_per_base"][key] == pytest.approx(unigram[key], rel=1e-5)
    # Yeast's tokens of 80 kinds are nearly as hard to guess as its bases.
    assert 1.9 < unigram["value"] < 2.15
    shares = token_frequencies(Shards(world / "train"), STANDARD)
    assert np.nansum(shares) == pytest.approx(1)
    assert np.isnan(shares[:GAP]).all()


def test_a_uniform_model_needs_log_of_the_vocabulary(world):
    network = MaskedLanguageModel(SHAPE, 80)
    with torch.no_grad():
        network.encoder.tokens.weight.zero_()
    save(world, "uniform", network)
    result = evaluate(world, "uniform")
    expected = result["tokens"] * np.log2(80 - GAP) / result["bases"]
    assert result["bits_per_base"]["value"] == pytest.approx(expected)
    assert result["bases"] == 60_000 == result["corpus_test_bases"]


def test_the_result_names_its_measure_and_baselines(world):
    result = evaluate(world, "random")
    again = (world / "random.json").read_bytes()
    evaluate(world, "random")
    assert again == (world / "random.json").read_bytes()
    assert result["measure"] == "pseudo-likelihood"
    assert result["baselines"]["uniform"] == 2.0
    assert result["baselines"]["markov"] == {"1": {"value": 1.9}}
    assert result["best_markov_order"] == 1
    bits = result["bits_per_base"]
    assert bits["low"] < bits["value"] < bits["high"]


def test_tokens_with_other_letters_are_not_scored(world):
    tokenizer = load_tokenizer(world / "tokenizer.json")
    vocabulary = read_vocabulary(world / "tokenizer.json")
    scored, lengths = scored_lengths(vocabulary), vocabulary.lengths
    unknown = tokenizer.token_to_id("N")
    assert scored[unknown] == 0
    assert lengths[unknown] == 1
    others = np.setdiff1d(np.arange(len(scored)), unknown)
    words = [tokenizer.id_to_token(int(i)) for i in others]
    pure = np.array([set(word) <= set("ACGT") for word in words])
    assert (scored[others][pure] == lengths[others][pure]).all()


def test_bits_of_the_next_token_equal_a_plain_loop(world):
    torch.manual_seed(3)
    causal = Architecture(
        family="gpt2", attention="causal", norm="pre", final_norm=True, layers=1, width=16, heads=2,
        feedforward_width=32, context_length=34, init_std=0.2,
    )  # fmt: skip
    network = CausalLanguageModel(causal, 80)
    windows = windows_of(world, max_bases=3_000)
    found = next_token_bits(network, windows, STANDARD)
    network.eval()
    for window, bits in zip(windows, found, strict=True):
        assert len(bits) == len(window.tokens)
        for place in (0, 1, len(bits) // 2, len(bits) - 1):
            text = torch.tensor([[CLS, *window.tokens[:place]]])
            with torch.no_grad():
                logits = network.next_scores(text).double()[0]
            logits[:GAP] = -torch.inf
            surprise = -torch.log_softmax(logits, dim=0)[window.tokens[place]] / np.log(2)
            assert bits[place] == pytest.approx(float(surprise), abs=1e-4)
    save_model(world / "causal", network, causal, world / "tokenizer.json", card="test")
    result = evaluate(world, "causal")
    assert result["measure"] == "likelihood" and result["family"] == "gpt2"
    assert result["bases"] == 60_000


def test_words_that_overlap_are_scored_side_by_side(yeast, write_documents, tmp_path):
    """Every base once, and none of it visible when it is asked for."""
    rows = [("ref|NC_001133|", "+", at, at + 5_000) for at in (0, 5_000)]
    write_documents(tmp_path / "test.parquet", rows, assembly="S288C")
    make_tokenizer(
        tmp_path / "test.parquet", {"S288C": yeast}, tmp_path / "tokenizer.json",
        tmp_path / "stats.json", TokenizerSettings(kind="kmer", k=3, overlapping=True), seed=1,
    )  # fmt: skip
    write_shards(
        tmp_path / "test.parquet", {"S288C": yeast}, tmp_path / "tokenizer.json",
        tmp_path / "test", ShardsConfig(), workers=1,
    )  # fmt: skip
    vocabulary = read_vocabulary(tmp_path / "tokenizer.json")
    windows = read_windows(
        Shards(tmp_path / "test"), vocabulary, context_length=34, max_bases=10**9, rounds=5, seed=1
    )
    scored = scored_lengths(vocabulary)
    bases = sum(int(scored[w.tokens[w.rounds >= 0]].sum()) for w in windows)
    assert 9_000 < bases <= 10_000
    for window in windows[:50]:
        seen = np.zeros(len(window.tokens), dtype=int)
        for number in range(5):
            inputs, asked = masked_inputs([window], number, vocabulary)
            left = np.flatnonzero(inputs[0, 1:-1] != vocabulary.mask)
            for place in np.flatnonzero(asked[0, 1:-1]):
                assert (np.abs(left - place) >= 3).all()
            seen += asked[0, 1:-1]
        assert (np.flatnonzero(seen) % 3 == 0).all() and seen[:-2:3].all() and seen.max() == 1


def test_the_mean_of_both_strands(yeast, write_documents, tmp_path):
    """The strand that is called first does not matter, and the mean is seldom worse than one."""
    rows = [("ref|NC_001133|", "+", 0, 5_000), ("ref|NC_001133|", "-", 0, 5_000)]
    write_documents(tmp_path / "test.parquet", rows, assembly="S288C")
    settings = TokenizerSettings(kind="nucleotide")
    make_tokenizer(
        tmp_path / "test.parquet", {"S288C": yeast}, tmp_path / "tokenizer.json",
        tmp_path / "stats.json", settings, seed=1,
    )  # fmt: skip
    write_shards(
        tmp_path / "test.parquet", {"S288C": yeast}, tmp_path / "tokenizer.json",
        tmp_path / "test", ShardsConfig(), workers=1,
    )  # fmt: skip
    vocabulary = read_vocabulary(tmp_path / "tokenizer.json")
    shards = Shards(tmp_path / "test")
    windows = read_windows(shards, vocabulary, context_length=34, max_bases=10**9, rounds=5, seed=1)
    mirrored = mirrored_windows(windows, vocabulary)
    forward, reverse = (tokens for *_, tokens in shards.rows())
    everything = np.concatenate([window.tokens for window in mirrored[::-1]])
    assert (everything == np.concatenate([forward, reverse])).all()
    torch.manual_seed(3)
    network = MaskedLanguageModel(SHAPE.model_copy(update={"init_std": 0.2}), len(vocabulary))
    bits, turned = (token_bits(network, w, 5, vocabulary) for w in (windows, mirrored))
    mean, back = mean_of_strands(bits, turned), mean_of_strands(turned, bits)
    for one, other in zip(mean, back, strict=True):
        assert one == pytest.approx(other[::-1])
    assert np.concatenate(mean).mean() < np.concatenate(bits).mean()
    pieces = Vocabulary([*SPECIAL_TOKENS, "-", "AAC"], SPECIAL_TOKENS, 5, np.ones(7, np.int32))
    assert mirrored_windows([Window(np.array([6]), ("a", "b", 0), np.array([0]))], pieces) == []


def test_a_tokenizer_of_another_model_is_refused(world, tmp_path):
    """Shards of other tokens, and a tokenizer file that was put in the place of the model's."""
    network = MaskedLanguageModel(SHAPE, 80)
    save(world, "other", network)
    settings = TokenizerSettings(kind="kmer", k=4)
    kmer_tokenizer(settings).save(str(world / "other" / "tokenizer.json"))
    with pytest.raises(InputError, match="the tokenizer has 347 tokens, the model vectors for 80"):
        evaluate(world, "other")
    kmer_tokenizer(TokenizerSettings(kind="nucleotide")).save(
        str(world / "other" / "tokenizer.json")
    )
    with pytest.raises(
        InputError, match="was written with 80 tokens, the model's tokenizer has 11"
    ):
        evaluate(world, "other")
