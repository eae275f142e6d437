"""The next token, and DNAGPT's questions about order and composition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.config.pretraining import NumberTasks
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.next_token import (
    gc_share,
    next_tokens,
    number_task_words,
    with_number_tasks,
)
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.kmers import kmer_words
from pipeline_lib.tokenizer.vocabulary import SCHEMES, Vocabulary


def vocabulary_of(k: int) -> Vocabulary:
    words = kmer_words(TokenizerSettings(kind="kmer", k=k, vocabulary="dnagpt"))
    special, beginning = SCHEMES["dnagpt"]
    lengths = np.array([0 if word.startswith("<") else len(word) for word in words], np.int32)
    return Vocabulary(words, special, words.index(beginning), lengths)


DNAGPT = vocabulary_of(3)
ASK_CLASS, ASK_NUMBER = DNAGPT.id("<B>"), DNAGPT.id("<M>")


def batch_of(texts: list[str], masked: bool = False) -> Batch:
    lines = [
        [DNAGPT.cls, *(DNAGPT.id(text[i : i + 3]) for i in range(0, len(text), 3)), DNAGPT.sep]
        for text in texts
    ]
    lengths = np.array([len(line) for line in lines])
    tokens = np.full((len(lines), lengths.max()), DNAGPT.pad)
    for row, line in enumerate(lines):
        tokens[row, : len(line)] = line
    shares = np.where(tokens % 2 == 0, 1, 0).astype(np.float32) if masked else None
    return Batch(tokens, lengths, np.arange(len(lines)), np.zeros(len(lines), np.int64), shares)


texts = st.lists(st.text("ACGTN", min_size=1, max_size=40), min_size=1, max_size=6)


@given(texts)
def test_every_known_word_is_asked_for_once_from_the_place_before_it(lines: list[str]) -> None:
    batch = batch_of(lines)
    examples = next_tokens(batch, vocabulary=DNAGPT)
    asked = iter(examples.answers)
    for row, text in enumerate(lines):
        cut = [text[i : i + 3] for i in range(0, len(text), 3)]
        for place, word in enumerate(cut):
            assert examples.targets[row, place] == ("N" not in word)
            if "N" not in word:
                assert DNAGPT.words[next(asked)] == word
        assert not examples.targets[row, len(cut) :].any()
    assert next(asked, None) is None
    assert (examples.inputs == batch.tokens).all()
    assert (examples.shown.sum(axis=1) == batch.lengths).all()


def test_repeats_weigh_less_by_the_word_that_is_asked_for() -> None:
    batch = batch_of(["ACGTTTACGGGA"], masked=True)
    examples = next_tokens(batch, vocabulary=DNAGPT, repeat_weight=0.25)
    assert examples.weights is not None
    assert (examples.weights == np.where(examples.answers % 2 == 0, 0.25, 1)).all()


def asked_of(lines: list[str], seed: int = 0, **shares: object) -> tuple[Examples, Batch]:
    batch = batch_of(lines, masked=True)
    examples = next_tokens(batch, vocabulary=DNAGPT, repeat_weight=0.5)
    tasks = NumberTasks(**shares)
    return with_number_tasks(examples, batch, tasks=tasks, vocabulary=DNAGPT, seed=seed), batch


@pytest.mark.parametrize("transform", ["reverse", "reverse_complement"])
@given(lines=texts, seed=st.integers(0, 100))
def test_the_question_of_order(transform: str, lines: list[str], seed: int) -> None:
    examples, _ = asked_of(
        lines, seed, order_share=1.0, number_share=0.0, order_transform=transform
    )
    answers = iter(examples.answers)
    for row, text in enumerate(lines):
        line = examples.inputs[row, examples.shown[row]]
        if "N" in text:
            assert ASK_CLASS not in line
            list(zip(range(examples.targets[row].sum()), answers, strict=False))
            continue
        kept = text[: (len(text) - 1) // 3 * 3]  # the last word is left out
        assert line[-1] == ASK_CLASS and line[-2] == DNAGPT.sep
        assert np.flatnonzero(examples.targets[row]).tolist() == [len(line) - 1]
        word = DNAGPT.words[next(answers)]
        if word == "N":
            kept = (
                kept[::-1] if transform == "reverse" else reverse_complement(kept.encode()).decode()
            )
        else:
            assert word == "A"
        assert "".join(DNAGPT.words[token] for token in line[1:-2]) == kept


@given(lines=texts, seed=st.integers(0, 100))
def test_the_question_of_composition(lines: list[str], seed: int) -> None:
    examples, batch = asked_of(lines, seed, order_share=0.0, number_share=1.0)
    assert examples.numbers is not None and examples.number_places is not None
    asked = [text for text in lines if "N" not in text]
    assert examples.number_places.sum() == len(asked) == len(examples.numbers)
    for row, number in zip(
        np.flatnonzero(examples.number_places.any(axis=1)), examples.numbers, strict=True
    ):
        line = examples.inputs[row, examples.shown[row]]
        assert line[-1] == ASK_NUMBER and examples.number_places[row, len(line) - 1]
        text = "".join(DNAGPT.words[token] for token in line[1:-2])
        assert number == np.float32((text.count("G") + text.count("C")) / max(len(text), 1))
        assert len(line) <= batch.tokens.shape[1]
        assert examples.targets[row].sum() == len(line) - 3  # its words are asked for too
    assert examples.weights is not None and len(examples.weights) == len(examples.answers)


def test_shares_and_coins() -> None:
    lines = ["ACGTTTACGGGATT"] * 4000
    examples, _ = asked_of(lines, 1, order_share=0.2, number_share=0.3)
    order = (examples.inputs == ASK_CLASS).any(axis=1)
    number = (examples.inputs == ASK_NUMBER).any(axis=1)
    assert abs(order.mean() - 0.2) < 0.02 and abs(number.mean() - 0.3) < 0.02
    turned = (examples.answers == DNAGPT.id("N")).sum()
    assert abs(turned / order.sum() - 0.5) < 0.06


def test_parts_of_a_batch_hold_their_own_answers_and_numbers() -> None:
    examples, _ = asked_of(
        ["ACGTTTACG", "GGGAAA", "TTTTTTTTTTTT", "ACC"], order_share=0.4, number_share=0.6
    )
    parts = [examples.rows(np.array(rows)) for rows in ([0, 1], [2], [3])]
    for name in ("answers", "weights", "numbers"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert (joined == getattr(examples, name)).all()
    assert sum(part.total_weight for part in parts) == pytest.approx(examples.total_weight)


def test_words_of_a_sequence() -> None:
    words = np.array([DNAGPT.id("ACG"), DNAGPT.id("T")])
    assert gc_share(words, DNAGPT) == 0.5
    assert number_task_words(DNAGPT) == []
    hyena = Vocabulary([*"abcdeACGT"], tuple("abcde"), 5, np.ones(9, np.int32))
    assert number_task_words(hyena) == ["<B>", "<M>", "N"]
