"""Masks for masked language modelling (Devlin et al. 2019, section 3.1).

Of the tokens, a share is to be predicted; of those, 80 % are replaced by [MASK], 10 % by a random
token, and 10 % are left alone. Every choice is a hash of seed, epoch, sample and position, so
that a sample is masked alike in whatever batch it turns up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.tokenizer.vocabulary import Vocabulary

SHARE_MASKED, SHARE_RANDOM = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class Masked:
    """What the model sees, and what it is to say.

    Attributes
    ----------
    inputs
        Tokens after masking; (batch, length).
    targets
        True where a token is to be predicted; (batch, length).
    answers
        The tokens at the targets; (targets,).
    weights
        How much each target counts in the loss; (targets,). None if all count alike.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.bool_]
    answers: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None


def mask_tokens(
    batch: Batch,
    *,
    share: float,
    vocabulary: Vocabulary,
    seed: int,
    hide_all: bool = False,
    repeat_weight: float = 1.0,
) -> Masked:
    """Choose and hide the tokens to be predicted.

    Parameters
    ----------
    share
        Share of the tokens that are predicted. Special tokens and padding never are.
    vocabulary
        Random tokens are drawn from the ordinary ones, special tokens left out.
    hide_all
        Replace all targets by [MASK], for validation: a target that is left alone can be read
        off the input, and would make held-out sequence look easier than it is.
    repeat_weight
        Weight in the loss of a token all of whose bases are soft-masked.
    """
    first = vocabulary.first
    chance, fate = (_uniform(batch, seed, stream) for stream in (0, 1))
    targets = (batch.tokens >= first) & (chance < share)
    drawn = first + (_uniform(batch, seed, 2) * (len(vocabulary) - first)).astype(np.int64)
    inputs = batch.tokens.copy()
    hidden = targets & (hide_all | (fate < SHARE_MASKED))
    swapped = targets & ~hidden & (fate < SHARE_MASKED + SHARE_RANDOM)
    inputs[hidden] = vocabulary.mask
    inputs[swapped] = drawn[swapped]
    weights = None
    if repeat_weight != 1.0 and batch.soft_masked is not None:
        weights = 1 - np.float32(1 - repeat_weight) * batch.soft_masked[targets]
    return Masked(inputs, targets, batch.tokens[targets], weights)


def _uniform(batch: Batch, seed: int, stream: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for every position, by hashing; (batch, length)."""
    with np.errstate(over="ignore"):
        key = _mix(np.uint64(seed) + _mix(batch.epoch.astype(np.uint64)))
        key = _mix(key + _mix(batch.samples.astype(np.uint64)) + np.uint64(stream << 56))
        places = np.arange(batch.tokens.shape[1], dtype=np.uint64)
        mixed = _mix(key[:, None] + places * np.uint64(0x9E3779B97F4A7C15))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele et al. 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
