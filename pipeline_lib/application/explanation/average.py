"""Importance by place, averaged over sequences that are aligned at what they are about."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.explanation.logo import BASES, one_hot
from pipeline_lib.application.explanation.model import Array
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.bootstrap import resample
from pipeline_lib.randomness import named_generator

SAMPLES, CONFIDENCE = 1_000, 0.95


def focus_of(table: pd.DataFrame, focus: int | None = None) -> NDArray[np.int64]:
    """Return the base that each sequence is about; shape (sequences,).

    The same for all if it is given, else what the column ``focus`` says, else the middle.

    Raises
    ------
    InputError
        If it does not lie inside a sequence.
    """
    middles = table["sequence"].str.len() // 2
    found = middles
    if focus is not None:
        found = pd.Series(focus, index=table.index)
    elif "focus" in table:
        known = pd.to_numeric(table["focus"], errors="coerce").fillna(-1)
        found = known.where(known >= 0, middles)
    outside = (found < 0) | (found >= table["sequence"].str.len())
    if outside.any():
        row = int(np.argmax(outside.to_numpy()))
        raise InputError(
            f"base {int(found.iloc[row]):,} lies outside of {table['name'].iloc[row]!r}, which has "
            f"{len(table['sequence'].iloc[row]):,}",
            expected="the base, counted from 0, at which sequences are aligned",
            remedy="correct `--focus`",
        )
    return np.asarray(found, dtype=np.int64)


def average(
    sequences: Sequence[str], importance: Sequence[Array], focus: NDArray[np.int64], *, seed: int
) -> pd.DataFrame:
    """Return the mean importance of each place relative to the focus.

    Parameters
    ----------
    sequences, importance
        Of equal lengths, pair by pair.
    focus
        Base of each sequence that comes to lie at 0.
    seed
        Of the resamplings.

    Returns
    -------
    DataFrame
        A row for each ``place``: ``sequences`` that reach it, ``importance`` with ``low`` and
        ``high`` (95 % interval over resamplings of sequences), ``size`` (mean of the absolute
        importance), and what of the mean is that of each base, ``A`` to ``T``, which sum to it.
    """
    lengths = np.array([len(text) for text in sequences])
    first, last = -int(focus.max()), int((lengths - focus).max())
    shape = (len(sequences), last - first)
    values, letters = np.full(shape, np.nan), np.zeros((*shape, 4))
    for row, (text, found) in enumerate(zip(sequences, importance, strict=True)):
        start = -first - int(focus[row])
        values[row, start : start + len(text)] = found
        letters[row, start : start + len(text)] = one_hot(text)
    low, high = _interval(values, seed)
    known, filled = ~np.isnan(values), np.nan_to_num(values)
    counts = np.maximum(known.sum(axis=0), 1)
    shares = (letters * filled[..., None]).sum(axis=0) / counts[:, None]
    columns = {
        "place": np.arange(first, last),
        "sequences": known.sum(axis=0),
        "importance": filled.sum(axis=0) / counts,
        "low": low,
        "high": high,
        "size": np.abs(filled).sum(axis=0) / counts,
    }
    return pd.DataFrame(columns | dict(zip(BASES, shares.T, strict=True)))


def _interval(values: Array, seed: int) -> tuple[Array, Array]:
    """Return the ends of the interval of the mean of each column, NaN left out."""
    known = (~np.isnan(values)).astype(np.float64)
    filled = np.nan_to_num(values)

    def means(weights: Array) -> Array:
        counts = weights @ known
        return np.asarray((weights @ filled) / np.where(counts > 0, counts, np.nan))

    generator = named_generator(seed, "explain", "average")
    found = resample(means, np.arange(len(values)), SAMPLES, generator)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(found, [tail, 1 - tail], axis=0)
    return low, high
