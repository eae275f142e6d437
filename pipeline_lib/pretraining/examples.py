"""What a model sees of a batch, and what it is to say; and the chance behind it.

Every choice is a hash of seed, epoch, sample and position, so that a sample is treated alike in
whatever batch it turns up.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.pretraining.data import Batch

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Examples:
    """What the model sees, and what it is to say.

    Attributes
    ----------
    inputs
        Tokens that the model sees; (batch, length).
    shown
        True where there is a token, False where there is padding; (batch, length).
    targets
        True where a token is to be predicted; (batch, length). For the next token: where it is
        predicted from, one place before it stands.
    answers
        The tokens to be predicted, in the order of the targets; (targets,).
    weights
        How much each target counts in the loss; (targets,). None if all count alike.
    number_places
        True where a number is to be predicted; (batch, length). None if nowhere.
    numbers
        The numbers to be predicted; (number places,).
    swapped
        Whether the halves of each sample were swapped; (batch,). None where nobody asks.
    """

    inputs: Ids
    shown: Flags
    targets: Flags
    answers: Ids
    weights: NDArray[np.float32] | None = None
    number_places: Flags | None = None
    numbers: NDArray[np.float32] | None = None
    swapped: Ids | None = None

    def rows(self, chosen: NDArray[np.int64]) -> "Examples":
        """Return the examples of some consecutive samples."""
        begin, end = int(chosen[0]), int(chosen[-1]) + 1
        part = replace(
            self, inputs=self.inputs[chosen], shown=self.shown[chosen], targets=self.targets[chosen]
        )
        first, last = (int(self.targets[:row].sum()) for row in (begin, end))
        part = replace(
            part,
            answers=self.answers[first:last],
            weights=None if self.weights is None else self.weights[first:last],
            swapped=None if self.swapped is None else self.swapped[chosen],
        )
        if self.number_places is None or self.numbers is None:
            return part
        first, last = (int(self.number_places[:row].sum()) for row in (begin, end))
        return replace(
            part, number_places=self.number_places[chosen], numbers=self.numbers[first:last]
        )

    @property
    def total_weight(self) -> float:
        """Sum of the weights of all targets: what the loss is divided by."""
        return float(len(self.answers) if self.weights is None else self.weights.sum())


def repeat_weights(batch: Batch, places: Flags, repeat_weight: float) -> NDArray[np.float32] | None:
    """Return how much tokens count in the loss: less if their bases are soft-masked.

    Parameters
    ----------
    places
        True where a token is that is predicted; (batch, length).
    repeat_weight
        Weight of a token all of whose bases are soft-masked.
    """
    if repeat_weight == 1.0 or batch.soft_masked is None:
        return None
    return 1 - np.float32(1 - repeat_weight) * batch.soft_masked[places]


def position_chances(batch: Batch, seed: int, stream: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for every position; (batch, length)."""
    with np.errstate(over="ignore"):
        key = _sample_keys(batch, seed, stream)
        places = np.arange(batch.tokens.shape[1], dtype=np.uint64)
        mixed = _mix(key[:, None] + places * np.uint64(0x9E3779B97F4A7C15))
    return _unit(mixed)


def sample_chances(batch: Batch, seed: int, stream: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for every sample; (batch,)."""
    with np.errstate(over="ignore"):
        return _unit(_mix(_sample_keys(batch, seed, stream)))


def _sample_keys(batch: Batch, seed: int, stream: int) -> NDArray[np.uint64]:
    key = _mix(np.uint64(seed) + _mix(batch.epoch.astype(np.uint64)))
    return _mix(key + _mix(batch.samples.astype(np.uint64)) + np.uint64(stream << 56))


def _unit(mixed: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits: the finaliser of SplitMix64 (Steele et al. 2014)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
