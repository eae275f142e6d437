"""Training: what the vocabulary holds, and that a seed decides it."""

from pathlib import Path

import pytest

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.corpus.reader import Sequences, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import load_tokenizer
from pipeline_lib.tokenizer.train import _sample, make_tokenizer
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

FIRST = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "-", "A", "C", "G", "N", "T"]


def test_vocabulary(tokenizer: Path) -> None:
    words = read_vocabulary(tokenizer).words
    assert words[:11] == FIRST
    assert len(words) == len(set(words)) == 512
    assert all(set(word) <= set("ACGTN") and 2 <= len(word) <= 64 for word in words[11:])


def test_token_lengths(tokenizer: Path) -> None:
    plain = load_tokenizer(tokenizer)
    lengths = read_vocabulary(tokenizer).lengths
    assert lengths[:11].tolist() == [0] * 6 + [1] * 5
    assert [len(plain.id_to_token(number)) for number in range(6, 512)] == lengths[6:].tolist()


def train(documents: Path, genomes, folder: Path, *, seed: int = 1, **changes: object) -> bytes:
    settings = {"corpus": "small", "vocab_size": 100, "sample_bases": 50_000} | changes
    output = folder / "tokenizer.json"
    make_tokenizer(
        documents, genomes, output, folder / "stats.json", Tokenizer(**settings), seed=seed
    )
    return output.read_bytes()


def test_seed_decides_every_byte(train_documents: Path, genomes, tmp_path: Path) -> None:
    first = train(train_documents, genomes, tmp_path, vocab_size=300)
    assert train(train_documents, genomes, tmp_path, vocab_size=300) == first
    assert train(train_documents, genomes, tmp_path, vocab_size=300, seed=2) != first


def test_longest_token(train_documents: Path, genomes, tmp_path: Path) -> None:
    train(train_documents, genomes, tmp_path, max_token_length=3, vocab_size=60)
    assert read_vocabulary(tmp_path / "tokenizer.json").lengths.max() == 3


def test_vocabulary_beyond_the_sample(train_documents: Path, genomes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"supports a vocabulary of .* not of 60,000.*at most"):
        train(train_documents, genomes, tmp_path, vocab_size=60_000)
    assert list(tmp_path.iterdir()) == []


def test_the_largest_possible_vocabulary_is_told(train_documents, genomes, tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        train(train_documents, genomes, tmp_path, vocab_size=60_000)
    largest = int(caught.value.expected.removeprefix("at most ").replace(",", ""))
    train(train_documents, genomes, tmp_path, vocab_size=largest)
    with pytest.raises(InputError):
        train(train_documents, genomes, tmp_path, vocab_size=largest + 1)


def test_stats(tokenizer: Path) -> None:
    stats = read_json(tokenizer.with_name("stats.json"))
    words = read_vocabulary(tokenizer).words[6:]
    mates = [reverse_complement(word.encode()).decode() in words for word in words]
    assert stats["vocab_size"] == 512
    assert sum(stats["token_lengths"].values()) == len(words)
    assert stats["reverse_complement_share"] == pytest.approx(sum(mates) / len(words))
    assert stats["sample_bases"] == 300_000
    assert stats["bases_per_token"] == pytest.approx(300_000 / stats["sample_tokens"])
    assert 2 < stats["bases_per_token"] < 8
    assert sum(stats["text_token_lengths"].values()) == stats["sample_tokens"]
    counts = [token["count"] for token in stats["top_tokens"]]
    assert counts == sorted(counts, reverse=True)


def test_long_sentences_are_counted_in_pieces(genomes, tmp_path: Path) -> None:
    holdouts = {"valid": {"contigs": ["I"]}, "test": {"contigs": ["VI"]}}
    settings = Corpus(
        assemblies=("small",), holdouts=holdouts, passes=1, sentence_length=(100_000, 100_000),
        strands="forward", max_offset=0, homology={"method": "none"},
    )  # fmt: skip
    build_corpus(genomes, tmp_path / "corpus", settings, seed=1)
    documents = tmp_path / "corpus/train/documents.parquet"
    pieces = list(_sample(documents, Sequences(genomes), 123_456, seed=1))
    assert max(map(len, pieces)) == 1_000
    assert sum(map(len, pieces)) == 123_456
    genome = Sequences(genomes)
    sentences = [s for d in read_documents(documents) for s in genome.sentences(d)]
    assert b"".join(pieces[:100]) in sentences
