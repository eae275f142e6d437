"""What the baselines see of each bin of sequences with targets along them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.finetuning.examples import Examples, Target
from pipeline_lib.sequence import base_codes, kmer_codes

NEAR = 15
"""Bases on either side that are seen one by one."""
FAR = 200
"""Bases on either side whose k-mers are counted."""

Floats = NDArray[np.float32]


def dense_constant(train: Examples) -> NDArray[np.float64]:
    """Return the share of each class of bases, or the mean of each track; shape (names,)."""
    names = len(train.target.names)
    sums, sizes = np.zeros(names), np.zeros(names)
    for row in train.table["target"]:
        values = np.asarray(row, dtype=np.float64)
        if train.target.kind == "bases":
            sums += np.bincount(values[~np.isnan(values)].astype(np.int64), minlength=names)
        else:
            table = values.reshape(-1, names)
            sums += np.nansum(table, axis=0)
            sizes += (~np.isnan(table)).sum(axis=0)
    return sums / np.maximum(sums.sum() if train.target.kind == "bases" else sizes, 1)


def stretch_codes(sequences: Sequence[str], target: Target, side: int) -> NDArray[np.uint8]:
    """Return the labelled middles of sequences with so many bases on either side, as codes.

    Returns
    -------
    ndarray
        0 to 3 for A, C, G and T, 4 for other letters and where there is none; shape (sequences,
        bases).
    """
    length = target.units * target.bin
    table = np.full((len(sequences), length + 2 * side), 4, dtype=np.uint8)
    for row, text in enumerate(sequences):
        first = target.segment(len(text)) - side
        part = base_codes(text[max(first, 0) : first + length + 2 * side].encode())
        start = max(-first, 0)
        table[row, start : start + len(part)] = np.minimum(part, 4)
    return table


def bin_features(sequence: str, target: Target, k: int) -> Floats:
    """Return the features of each bin of a sequence.

    For bins of one base: the bases around it, one by one, and the shares of the k-mers within 200
    bases on its left and on its right. For longer bins: the shares of the k-mers in it, and on
    either side of it.

    Returns
    -------
    ndarray
        Shape (bins, features).
    """
    side = FAR + k
    codes = stretch_codes([sequence], target, side)[0]
    words = kmer_codes(np.where(codes < 4, codes, 255).astype(np.uint8), k)
    counts = np.zeros((len(words) + 1, 4**k), dtype=np.int32)
    known = np.flatnonzero(words >= 0)
    counts[known + 1, words[known]] = 1
    np.cumsum(counts, axis=0, out=counts)
    starts = side + target.bin * np.arange(target.units)
    ends = starts + target.bin
    parts = [_shares(counts, starts - FAR, starts - k + 1), _shares(counts, ends, ends + FAR)]
    if target.bin > 1:
        parts.append(_shares(counts, starts, np.maximum(ends - k + 1, starts + 1)))
    else:
        around = np.lib.stride_tricks.sliding_window_view(codes, 2 * NEAR + 1)[starts - NEAR]
        hot = np.eye(5, 4, dtype=np.float32)[around]
        parts.append(hot.reshape(len(starts), -1))
    return np.concatenate(parts, axis=1)


def _shares(
    counts: NDArray[np.int32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Floats:
    """Return the share of each k-mer among those that begin between starts and ends, scaled.

    A share is given as a multiple of what it would be if all were equally frequent.
    """
    found = (counts[ends] - counts[starts]).astype(np.float32)
    return np.asarray(found / (ends - starts)[:, None] * found.shape[1], dtype=np.float32)
