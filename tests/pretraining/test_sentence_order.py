"""Halves that change places."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.sentence_order import SHORTEST, swap_halves
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS, Vocabulary

WORDS = [*SPECIAL_TOKENS, *"ACGT"]
TOKENS = Vocabulary(WORDS, SPECIAL_TOKENS, 5, np.ones(9, np.int32))


def batch_of(lengths: list[int], width: int, seed: int) -> Batch:
    generator = np.random.default_rng(seed)
    tokens = np.full((len(lengths), width), TOKENS.pad)
    for row, length in enumerate(lengths):
        words = generator.integers(5, 9, length - 2)
        tokens[row, :length] = [TOKENS.cls, *words, TOKENS.sep]
    masked = np.where(tokens == 5, 1, 0).astype(np.float32)
    numbers = np.arange(len(lengths))
    return Batch(tokens, np.array(lengths), numbers, np.zeros(len(lengths), np.int64), masked)


@given(
    lengths=st.lists(st.integers(3, 30), min_size=1, max_size=8),
    room=st.integers(0, 3),
    seed=st.integers(0, 1000),
)
def test_halves_are_a_cut_of_the_sample(lengths: list[int], room: int, seed: int) -> None:
    batch = batch_of(lengths, max(lengths), seed)
    context = max(lengths) + room
    halves, swapped = swap_halves(batch, vocabulary=TOKENS, context_length=context, seed=seed)
    assert halves.tokens.shape[1] <= context
    for row, length in enumerate(lengths):
        words = batch.tokens[row, 1 : length - 1].tolist()
        line = halves.tokens[row, : halves.lengths[row]].tolist()
        assert (halves.tokens[row, halves.lengths[row] :] == TOKENS.pad).all()
        if swapped[row] < 0:
            assert min(len(words), context - 3) < SHORTEST
            assert line == batch.tokens[row, :length].tolist()
            continue
        assert line[0] == TOKENS.cls and line[-1] == TOKENS.sep and line.count(TOKENS.sep) == 2
        middle = line.index(TOKENS.sep)
        first, second = line[1:middle], line[middle + 1 : -1]
        joined = second + first if swapped[row] else first + second
        assert joined == words[: len(joined)] and len(words) - len(joined) <= 1
        assert min(len(first), len(second)) >= len(joined) // 4
        assert halves.soft_masked is not None
        assert (halves.soft_masked[row, : len(line)] == [token == 5 for token in line]).all()


def test_half_of_the_samples_are_swapped() -> None:
    _, swapped = swap_halves(
        batch_of([20] * 4000, 20, 1), vocabulary=TOKENS, context_length=20, seed=1
    )
    assert abs(swapped.mean() - 0.5) < 0.03
