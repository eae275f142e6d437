"""Whoever gives probabilities of bases: language models, and Markov models as their baseline."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.covered import HeldOut, context_words
from pipeline_lib.evaluation.markov import Counts, interpolated
from pipeline_lib.sequence import base_codes

Array = NDArray[np.float64]
BASES = b"ACGT"


class Reader(Protocol):
    """A model that reads sequence: upper-case letters, of which A, C, G and T count."""

    def bits(self, sequences: Sequence[bytes]) -> list[Array]:
        """Return -log2 of the probability of every base; NaN where it is not defined.

        Returns
        -------
        list of ndarray
            For each sequence, shape (length,). Bases of one token share its bits alike.
        """

    def ratios(self, windows: Sequence[bytes], places: Sequence[int]) -> Array:
        """Return how much better another base fits than the one that is there.

        Parameters
        ----------
        windows
            Sequences of A, C, G and T.
        places
            The base of each window that is replaced.

        Returns
        -------
        ndarray
            log2 of the ratio of likelihoods with A, C, G, T and with the window's own base, which
            itself has 0; shape (windows, 4).
        """


@dataclass(frozen=True)
class MarkovReader:
    """An interpolated Markov model.

    Attributes
    ----------
    counts, strengths
        As :func:`pipeline_lib.evaluation.markov.read_model` returns them.
    """

    counts: Counts
    strengths: list[float]

    def bits(self, sequences: Sequence[bytes]) -> list[Array]:
        """Return the bits of every base, given those before it; see :class:`Reader`."""
        if not sequences:
            return []
        order = len(self.counts) - 1
        found = [context_words(base_codes(sequence), order) for sequence in sequences]
        words, context = (np.concatenate(column) for column in zip(*found, strict=True))
        known = context >= 0
        held = HeldOut(words[known], context[known], np.zeros(known.sum(), dtype=np.int64))
        orders = deque(interpolated(held, self.counts, self.strengths), maxlen=1)
        bits = np.full(len(words), np.nan)
        bits[known] = -np.log2(orders.pop())
        return np.split(bits, np.cumsum([len(sequence) for sequence in sequences])[:-1])

    def ratios(self, windows: Sequence[bytes], places: Sequence[int]) -> Array:
        """Return log2 likelihood ratios of substitutions; see :class:`Reader`."""
        # Bases beyond the reach of the one that is replaced are as probable as before.
        order, near, centres = len(self.counts) - 1, [], []
        for window, place in zip(windows, places, strict=True):
            first = max(0, place - order)
            near.append(window[first : place + order + 1])
            centres.append(place - first)
        return ratios_of_whole(self, near, centres)


def ratios_of_whole(reader: Reader, windows: Sequence[bytes], places: Sequence[int]) -> Array:
    """Return log2 likelihood ratios of substitutions as differences of whole windows."""
    variants = [
        substituted(window, place, base)
        for window, place in zip(windows, places, strict=True)
        for base in BASES
    ]
    # Each window stands among its own variants: nothing is read twice.
    totals = np.array([np.nansum(bits) for bits in reader.bits(variants)]).reshape(-1, 4)
    own = own_bases(windows, places)
    return np.asarray(totals[np.arange(len(own)), own][:, None] - totals)


def substituted(window: bytes, place: int, base: int) -> bytes:
    """Return a window with another base, given as its ASCII code, at a place."""
    return window[:place] + bytes([base]) + window[place + 1 :]


def own_bases(windows: Sequence[bytes], places: Sequence[int]) -> NDArray[np.int64]:
    """Return which of A, C, G and T stands at a place of each window; shape (windows,)."""
    letters = [window[place] for window, place in zip(windows, places, strict=True)]
    return np.array([BASES.index(letter) for letter in letters], dtype=np.int64)
