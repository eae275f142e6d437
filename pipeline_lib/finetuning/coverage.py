"""Which tokens cover which bins of a sequence: the way from tokens to bases and back.

A base belongs to the token that it lies in. Where words of k bases overlap it belongs to all that
cover it, each with the same weight. A bin is the mean of its bases.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Pairs of a bin and a token that covers some of it.

    What is known of tokens is known of a bin as the sum of weight times token over its pairs; the
    weights of a bin add up to 1.

    Attributes
    ----------
    units
        Number of the bin; shape (pairs,).
    tokens
        Number of the token in its sequence; shape (pairs,).
    offsets
        Which base of the token it is, counted from 0, for bins of one base; 0 for longer bins.
        Shape (pairs,).
    weights
        Shape (pairs,).
    """

    units: Integers
    tokens: Integers
    offsets: Integers
    weights: NDArray[np.float32]


def cover(
    starts: Integers, *, overlap: int, first: int, units: int, size: int, turned: bool = False
) -> Coverage:
    """Return which tokens cover the bins of a stretch of a sequence.

    Parameters
    ----------
    starts
        First base of each token, ascending; a token ends where the next begins. Shape (tokens,).
    overlap
        Bases of a word, for a tokenizer of overlapping words; 0 for all others.
    first
        First base of the stretch, which lies within the tokens.
    units, size
        Bins of the stretch, and bases of each.
    turned
        Whether bins are numbered from the end of the stretch, as the other strand has them.
    """
    bases = np.arange(first, first + units * size)
    if overlap:
        last = np.searchsorted(starts, bases, side="right") - 1
        low = np.searchsorted(starts, bases - overlap, side="right")
        times = last - low + 1
        entries = np.repeat(np.arange(len(bases)), times)
        tokens = np.arange(len(entries)) - np.repeat(np.cumsum(times) - times - low, times)
        weights = 1 / times[entries]
    else:
        entries = np.arange(len(bases))
        tokens = np.searchsorted(starts, bases, side="right") - 1
        weights = np.ones(len(bases))
    offsets = bases[entries] - starts[tokens]
    bins = entries // size
    if size > 1:
        bins, tokens, weights = _merged(bins, tokens, weights / size, len(starts))
        offsets = np.zeros(len(bins), dtype=np.int64)
    if turned:
        bins = units - 1 - bins
    return Coverage(bins, tokens, offsets, weights.astype(np.float32))


def _merged(
    bins: Integers, tokens: Integers, weights: NDArray[np.float64], count: int
) -> tuple[Integers, Integers, NDArray[np.float64]]:
    """Add up the weights of each pair of a bin and one of ``count`` tokens."""
    pairs, where = np.unique(bins * count + tokens, return_inverse=True)
    return pairs // count, pairs % count, np.bincount(where, weights=weights).astype(np.float64)
