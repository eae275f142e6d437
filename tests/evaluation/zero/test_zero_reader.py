"""Bits of every base, and substitutions, of every kind of tokenizer and model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.evaluation.zero.reader import (
    BASES,
    MarkovReader,
    ratios_of_whole,
    substituted,
)
from pipeline_lib.genome import prepare_genome
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from pipeline_lib.tokenizer.train import make_tokenizer

SMALL = {"layers": 1, "width": 16, "heads": 2, "feedforward_width": 32, "init_std": 0.3}
MASKED = Architecture(**SMALL, context_length=34)
CAUSAL = Architecture(
    **SMALL, context_length=34, family="gpt2", attention="causal", norm="pre", final_norm=True
)
KMERS = {
    "bases": TokenizerSettings(kind="nucleotide"),
    "words": TokenizerSettings(kind="kmer", k=3),
    "overlapping": TokenizerSettings(kind="kmer", k=3, overlapping=True),
    "dnagpt": TokenizerSettings(kind="kmer", k=2, vocabulary="dnagpt"),
}


def letters_of(count, seed=0):
    return bytes(np.random.default_rng(seed).choice(list(BASES), size=count).tolist())


@pytest.fixture(scope="module")
def encoders(write_documents, tmp_path_factory):
    """Return an encoder of each kind."""
    folder = tmp_path_factory.mktemp("encoders")
    (folder / "genome.fa").write_bytes(b">c\n" + letters_of(20_000) + b"\n")
    assembly = Assembly(path="genome.fa", min_contig_length=1)
    prepare_genome(folder / "genome.fa", folder / "test", assembly, name="test")
    for name, kind in KMERS.items():
        kmer_tokenizer(kind).save(str(folder / f"{name}.json"))
    documents = write_documents(folder / "train.parquet", [("c", "+", 0, 20_000)])
    make_tokenizer(
        documents, {"test": folder / "test"}, folder / "bpe.json", folder / "stats.json",
        TokenizerSettings(vocab_size=80), seed=1,
    )  # fmt: skip
    return {name: SentenceEncoder(folder / f"{name}.json") for name in (*KMERS, "bpe")}


def reader_of(encoder, *, causal=False, uniform=False):
    torch.manual_seed(2)
    size = len(encoder.vocabulary)
    network = CausalLanguageModel(CAUSAL, size) if causal else MaskedLanguageModel(MASKED, size)
    if uniform:
        with torch.no_grad():
            network.encoder.tokens.weight.zero_()
    return ModelReader(network.eval(), encoder, 34, rounds=3, seed=1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", [*KMERS, "bpe"])
def test_a_uniform_model_needs_the_same_of_every_token(encoders, name, causal):
    reader = reader_of(encoders[name], causal=causal, uniform=True)
    vocabulary = encoders[name].vocabulary
    sequence = letters_of(150) + b"NN" + letters_of(47, 1)
    (bits,) = reader.bits([sequence])
    assert np.isnan(bits[150:152]).all()
    each = np.log2(len(vocabulary) - vocabulary.first)
    known = ~np.isnan(bits)
    if not vocabulary.overlap or causal:
        assert known.sum() == 197
    else:  # the last words of a part share bases with the next part
        assert 150 < known.sum() <= 197
    count = sum((part.size > 0).sum() for part in reader.parts(sequence))
    assert np.nansum(bits) == pytest.approx(each * count)
    if reader.word and not (vocabulary.overlap and causal):
        assert bits[0] == pytest.approx(each / reader.word)


@pytest.mark.parametrize("name", [*KMERS, "bpe"])
def test_inputs_fill_the_context_and_no_more(encoders, name):
    reader = reader_of(encoders[name])
    assert reader.word == {"bases": 1, "words": 3, "overlapping": 3, "dnagpt": 2, "bpe": 0}[name]
    lengths = [len(part.tokens) for part in reader.parts(letters_of(reader.reach))]
    assert len(lengths) == 1
    assert lengths[0] == 32 if reader.word else 24 < lengths[0] <= 32
    several = [len(part.tokens) for part in reader.parts(letters_of(500))]
    assert max(several) <= 32 and max(several) - min(several) <= 1


def plain_log2(network, tokens, hidden, first):
    """Return log2 p of every ordinary token at one place, the places `hidden` being masked."""
    vocabulary_mask, (place, *_) = 4, hidden
    text = torch.tensor([[1, *tokens, 2]])
    for index in hidden:
        text[0, index + 1] = vocabulary_mask
    targets = torch.zeros_like(text, dtype=torch.bool)
    targets[0, place + 1] = True
    with torch.no_grad():
        logits = network(text, None, targets).double()[0]
    logits[:first] = -torch.inf
    return (torch.log_softmax(logits, dim=0) / np.log(2)).numpy()


@pytest.mark.parametrize("name", ["bases", "words", "overlapping"])
def test_substitutions_are_compared_at_a_hidden_word(encoders, name):
    reader, encoder = reader_of(encoders[name]), encoders[name]
    windows, places = [letters_of(30, seed) for seed in range(4)], [0, 13, 14, 29]
    found = reader.ratios(windows, places)
    for window, place, row in zip(windows, places, found, strict=True):
        tokens = encoder.encode([window])[0].astype(int)
        overlap = encoder.vocabulary.overlap
        index = min(max(place - 1, 0), len(tokens) - 1) if overlap else place // reader.word
        near = [i for i in range(index - overlap, index + overlap + 1) if 0 <= i < len(tokens)]
        hidden = [index, *near]
        scores = plain_log2(reader.network, tokens, hidden, encoder.vocabulary.first)
        for base, value in zip(BASES, row, strict=True):
            other = encoder.encode([substituted(window, place, base)])[0][index]
            assert value == pytest.approx(scores[other] - scores[tokens[index]], abs=1e-4)
        assert row[BASES.index(window[place])] == 0


def test_substitutions_that_change_tokens_are_compared_at_these(encoders):
    reader, encoder = reader_of(encoders["bpe"]), encoders["bpe"]
    window, place = letters_of(40, 5), 20
    (row,) = reader.ratios([window], [place])
    first = encoder.vocabulary.first

    def score(tokens, before, after):
        changed = range(before, len(tokens) - after)
        return sum(plain_log2(reader.network, tokens, [i], first)[tokens[i]] for i in changed)

    own = encoder.encode([window])[0].astype(int).tolist()
    for base, value in zip(BASES, row, strict=True):
        other = encoder.encode([substituted(window, place, base)])[0].astype(int).tolist()
        if other == own:
            assert value == 0
            continue
        before = next(i for i in range(99) if own[i] != other[i])
        after = next(i for i in range(99) if own[-1 - i] != other[-1 - i])
        expected = score(other, before, after) - score(own, before, after)
        assert value == pytest.approx(expected, abs=1e-4)


def test_the_next_token_makes_ratios_of_whole_windows(encoders):
    reader = reader_of(encoders["words"], causal=True)
    window = letters_of(60)
    (row,) = reader.ratios([window], [31])
    totals = [bits.sum() for bits in reader.bits([substituted(window, 31, b) for b in BASES])]
    own = totals[BASES.index(window[31])]
    np.testing.assert_allclose(row, own - np.array(totals), atol=1e-4)


@settings(max_examples=25)
@given(st.text("ACGT", min_size=8, max_size=40).map(str.encode), st.data())
def test_a_markov_model_needs_no_more_than_its_neighbourhood(sequence, data):
    generator = np.random.default_rng(len(sequence))
    counts = [generator.integers(0, 9, size=(4**k, 4)) for k in range(3)]
    reader = MarkovReader(counts, [1.0, 2.0, 3.0])
    place = data.draw(st.integers(0, len(sequence) - 1))
    near = reader.ratios([sequence], [place])
    np.testing.assert_allclose(near, ratios_of_whole(reader, [sequence], [place]), atol=1e-9)
    (bits,) = reader.bits([sequence])
    assert (bits > 0).all()
    assert np.isnan(reader.bits([b"ACN" + sequence])[0][2])
