"""Learning merges, and applying them: the same as `tokenizers`, for any text."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, trainers

from pipeline_lib.tokenizer import bpe
from pipeline_lib.tokenizer.merges import SEPARATOR, learn_merges
from pipeline_lib.tokenizer.train import ALPHABET, byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS

LETTERS = [*SPECIAL_TOKENS, *ALPHABET]
pieces = st.lists(
    st.one_of(
        st.text("ACGT", min_size=1, max_size=60),
        st.text("AT", min_size=1, max_size=80),
        st.tuples(st.text("ACGTN", min_size=1, max_size=6), st.integers(1, 12)).map(
            lambda unit: unit[0] * unit[1]
        ),
    ),
    min_size=1,
    max_size=30,
)


def symbols(texts: list[str]) -> np.ndarray:
    table = np.full(256, SEPARATOR, dtype=np.uint16)
    for number, letter in enumerate(LETTERS):
        if len(letter) == 1 and letter != "-":
            table[ord(letter)] = number
    return table[np.frombuffer("-".join(texts).encode(), dtype=np.uint8)]


def theirs(texts: list[str], size: int, frequency: int, longest: int) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=frequency, special_tokens=list(SPECIAL_TOKENS),
        max_token_length=longest + 1,  # the library stops one short of the length it is given
        initial_alphabet=list(ALPHABET), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def ours(
    texts: list[str], size: int, frequency: int, longest: int, threads: int = 1
) -> list[tuple[str, str]]:
    words, merges = learn_merges(
        symbols(texts), LETTERS, vocab_size=size, min_frequency=frequency, max_length=longest,
        threads=threads,
    )  # fmt: skip
    return [(words[left], words[right]) for left, right in merges]


@settings(max_examples=150, deadline=None)
@given(pieces, st.integers(11, 120), st.integers(1, 4), st.sampled_from([2, 5, 64]), st.booleans())
def test_merges_are_those_of_tokenizers(texts, size, frequency, longest, twice) -> None:
    assert ours(texts, size, frequency, longest, 1 + twice) == theirs(
        texts, size, frequency, longest
    )


def test_merges_of_a_large_vocabulary() -> None:
    """Long enough for lists of places, and for several thresholds."""
    generator = np.random.default_rng(3)
    unit = ["".join(generator.choice(list("ACGT"), 300)) for _ in range(40)]
    texts = []
    for _ in range(1_500):  # repeats of which every copy is a little different
        letters = np.array(list(unit[generator.integers(40)]))
        changed = generator.random(300) < 0.1
        letters[changed] = generator.choice(list("ACGT"), changed.sum())
        texts.append("".join(letters))
    found = ours(texts, 6_000, 2, 64, threads=2)
    assert len(found) == 6_000 - len(LETTERS)
    assert found == theirs(texts, 6_000, 2, 64)


@settings(max_examples=100, deadline=None)
@given(pieces, st.lists(st.text("ACGTN", max_size=300), min_size=1, max_size=6))
def test_ids_are_those_of_tokenizers(tmp_path_factory, texts, sentences) -> None:
    words, merges = learn_merges(
        symbols(texts), LETTERS, vocab_size=90, min_frequency=1, max_length=64
    )
    tokenizer = byte_pair_tokenizer(words, merges)
    path = tmp_path_factory.mktemp("ids") / "tokenizer.json"
    tokenizer.save(str(path))
    short = [sentence.replace("N" * 10, "N") for sentence in sentences]
    ends = np.cumsum([len(sentence) for sentence in short])
    text = np.frombuffer("".join(short).encode(), dtype=np.uint8)
    tokens, token_ends = bpe.encode(bpe.read_merges(path), text, ends)
    expected = [tokenizer.encode(sentence, add_special_tokens=False).ids for sentence in short]
    assert tokens.tolist() == [token for ids in expected for token in ids]
    assert token_ends.tolist() == np.cumsum([len(ids) for ids in expected]).tolist()


def test_a_long_run_of_one_letter(tmp_path) -> None:
    text = "A" * 5_000
    words, merges = learn_merges(
        symbols([text]), LETTERS, vocab_size=40, min_frequency=2, max_length=16
    )
    tokenizer = byte_pair_tokenizer(words, merges)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    merges_of = bpe.read_merges(tmp_path / "tokenizer.json")
    for length in (1, 2, 3, 17, 4_999):
        found, _ = bpe.encode(merges_of, np.full(length, ord("A"), np.uint8), np.array([length]))
        assert found.tolist() == tokenizer.encode("A" * length, add_special_tokens=False).ids


def test_another_kind_of_tokenizer_is_refused(tmp_path) -> None:
    from pipeline_lib.errors import InputError

    path = tmp_path / "tokenizer.json"
    Tokenizer(models.WordLevel({"A": 0}, unk_token="A")).save(str(path))
    with pytest.raises(InputError, match="expected a byte-pair encoding"):
        bpe.read_merges(path)
