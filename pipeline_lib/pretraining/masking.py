"""Masks for masked language modelling (Devlin et al. 2019, section 3.1).

Of the tokens, a share is to be predicted; of those, 80 % are replaced by [MASK], 10 % by a random
token, and 10 % are left alone. Tokens that hold an N are neither predicted nor drawn.

Words that overlap give each other's bases away. There a target is predicted only where all words
that share a base with it are hidden too, and hidden words are always replaced by [MASK].
"""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import (
    Examples,
    Flags,
    position_chances,
    repeat_weights,
)
from pipeline_lib.tokenizer.vocabulary import Vocabulary

SHARE_MASKED, SHARE_RANDOM = 0.8, 0.1
_BEGIN, _FATE, _DRAWN, _LENGTH = range(4)  # streams of chance


def mask_tokens(
    batch: Batch,
    *,
    share: float,
    vocabulary: Vocabulary,
    seed: int,
    span: int = 1,
    hide_all: bool = False,
    repeat_weight: float = 1.0,
) -> Examples:
    """Choose and hide the tokens to be predicted.

    Parameters
    ----------
    share
        Share of the tokens that are chosen. Special tokens, tokens with N and padding never are.
        For words that overlap: share of the words that are hidden, of which fewer are predicted.
    vocabulary
        Random tokens are drawn from those that may be predicted.
    span
        Longest run of tokens that are chosen together.
    hide_all
        Replace all targets by [MASK], for validation: a target that is left alone can be read
        off the input, and would make held-out sequence look easier than it is.
    repeat_weight
        Weight in the loss of a token all of whose bases are soft-masked.
    """
    known = vocabulary.predictable[batch.tokens]
    if vocabulary.overlap:
        length = max(span, vocabulary.overlap + 1)
        around = vocabulary.overlap
        rate = _solved_rate(share, np.ones(length + 2 * around))
        begins = position_chances(batch, seed, _BEGIN) < rate
        hidden = _spread(begins, length + 2 * around) & (batch.tokens >= vocabulary.first)
        targets = _surrounded(hidden, around, batch.tokens >= vocabulary.first) & known
        inputs = np.where(hidden, vocabulary.mask, batch.tokens)
    else:
        targets = _chosen(batch, share, span, seed) & known
        fate = position_chances(batch, seed, _FATE)
        choice = np.flatnonzero(vocabulary.predictable)
        drawn = choice[(position_chances(batch, seed, _DRAWN) * len(choice)).astype(np.int64)]
        hidden = targets & (hide_all | (fate < SHARE_MASKED))
        swapped = targets & ~hidden & (fate < SHARE_MASKED + SHARE_RANDOM)
        inputs = batch.tokens.copy()
        inputs[hidden] = vocabulary.mask
        inputs[swapped] = drawn[swapped]
    return Examples(
        inputs=inputs,
        shown=batch.tokens != vocabulary.pad,
        targets=targets,
        answers=batch.tokens[targets],
        weights=repeat_weights(batch, targets, repeat_weight),
    )


def _chosen(batch: Batch, share: float, span: int, seed: int) -> Flags:
    """Return the positions in runs of 1 to ``span`` tokens that cover a share of all positions.

    A run of n tokens has a chance proportional to 1 / n (GENA-LM: 6/11, 3/11 and 2/11).
    """
    chance = position_chances(batch, seed, _BEGIN)
    if span == 1:
        return chance < share
    shares = 1.0 / np.arange(1, span + 1)
    longer = np.cumsum((shares / shares.sum())[::-1])[::-1]  # chance of a run of at least n
    begins = chance < _solved_rate(share, longer)
    drawn = position_chances(batch, seed, _LENGTH)
    chosen = np.zeros(begins.shape, dtype=bool)
    for offset, reach in enumerate(longer):  # a run that began `offset` tokens before
        begun = begins & (drawn < reach)
        chosen[:, offset:] |= begun[:, : begun.shape[1] - offset]
    return chosen


def _solved_rate(share: float, reach: NDArray[np.float64]) -> float:
    """Return how often runs must begin, so that they cover a share of all positions.

    A position stays free if no run began ``i`` tokens before it that is longer than ``i``:
    1 - share = product of 1 - rate x reach[i]. Found by bisection.
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        rate = (low + high) / 2
        covered = 1.0 - np.prod(1.0 - rate * reach)
        low, high = (rate, high) if covered < share else (low, rate)
    return high


def _spread(begins: Flags, length: int) -> Flags:
    """Return the positions of runs of a length that begin at given ones."""
    ends = np.cumsum(begins, axis=1)
    before = np.zeros_like(ends)
    before[:, length:] = ends[:, :-length]
    return np.asarray(ends > before)


def _surrounded(hidden: Flags, around: int, words: Flags) -> Flags:
    """Return the hidden words whose neighbours up to ``around`` words away are all hidden.

    Neighbours that are no words, such as the borders of a sample, hide nothing and show nothing.
    """
    seen = words & ~hidden
    padded = np.pad(seen, ((0, 0), (around, around)))
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    width = 2 * around + 1
    return np.asarray(hidden & (total[:, width:] == total[:, :-width]))
