"""Examples as counts of k-mers, and as arrays of bases: what the baselines see."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from pipeline_lib.finetuning.examples import Examples
from pipeline_lib.sequence import base_codes, kmer_codes

CODON = 3

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]


def features(examples: Examples, k: int) -> sparse.csr_matrix:
    """Return the counts of k-mers of each example and its partner, and the numbers given with it.

    Columns are scaled by what the training examples hold: see :func:`scale`.
    """
    table = examples.table
    counts = [kmer_counts(table, k, gap=gap_at_focus(table))]
    if (table["partner"] != "").any():
        counts.append(_counts(([text] for text in table["partner"]), k, 1))
    train = (table["split"] == "train").to_numpy()
    if (given := numbers(examples)).shape[1]:
        counts.append(sparse.csr_matrix(given))
    return scale(sparse.hstack(counts, format="csr"), train)


def numbers(examples: Examples) -> NDArray[np.float32]:
    """Return the numbers given with the sequences, with mean 0 and variance 1 in training."""
    given = examples.numbers()
    train = (examples.table["split"] == "train").to_numpy()
    mean, deviation = given[train].mean(axis=0), given[train].std(axis=0)
    return np.asarray((given - mean) / np.where(deviation > 0, deviation, 1), dtype=np.float32)


def gap_at_focus(table: pd.DataFrame) -> int:
    """Return how many bases at the focus are left out of the counts: 3, or none.

    A codon that all training examples share, such as the ATG of start sites and of their decoys,
    tells nothing, and k-mers across it would only blur what lies on either side.
    """
    train = table[table["split"] == "train"]
    pairs = zip(train["sequence"], train["focus"], strict=True)
    shared = {text[focus : focus + CODON] for text, focus in pairs if focus >= 0}
    return CODON if len(shared) == 1 else 0


def kmer_counts(examples: pd.DataFrame, k: int, *, gap: int = CODON) -> sparse.csr_matrix:
    """Count k-mers before and after the focus of each example, or in all of it.

    Parameters
    ----------
    examples
        Columns sequence and focus. Where a focus is -1, all sequences are counted as a whole.
    k
        Length of the k-mers; those with letters other than A, C, G and T are skipped.
    gap
        Bases from the focus on that are left out.

    Returns
    -------
    csr_matrix
        Shape (examples, 2 * 4^k): k-mers before the focus, then k-mers after it. (examples, 4^k)
        without a focus.
    """
    focus = examples["focus"].to_numpy()
    if (focus < 0).any():
        return _counts(([text] for text in examples["sequence"]), k, 1)
    sides = (
        [text[:base], text[base + gap :]]
        for text, base in zip(examples["sequence"], focus, strict=True)
    )
    return _counts(sides, k, 2)


def scale(counts: sparse.csr_matrix, train: Rows) -> sparse.csr_matrix:
    """Divide every column by its standard deviation among the training examples.

    The mean is left alone: zeros stay zeros, and the intercept makes up for it.
    """
    known = counts[train]
    mean = np.asarray(known.mean(axis=0)).ravel()
    square = np.asarray(known.multiply(known).mean(axis=0)).ravel()
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    factors = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    return (counts @ sparse.diags(factors.astype(np.float32))).tocsr()


def _counts(rows: Iterable[Sequence[str]], k: int, parts: int) -> sparse.csr_matrix:
    """Count k-mers in each part of each row, the parts' columns beside each other."""
    found: list[NDArray[np.int32]] = []
    times: list[NDArray[np.float32]] = []
    for row in rows:
        words = [_words(text, k) + part * 4**k for part, text in enumerate(row)]
        distinct, count = np.unique(np.concatenate(words), return_counts=True)
        found.append(distinct.astype(np.int32))
        times.append(count.astype(np.float32))
    ends = np.cumsum([0, *map(len, found)])
    columns, values = np.concatenate(found), np.concatenate(times)
    return sparse.csr_matrix((values, columns, ends), shape=(len(found), parts * 4**k))


def _words(text: str, k: int) -> NDArray[np.int64]:
    words = kmer_codes(base_codes(text.encode()), k)
    return words[words >= 0]


def base_table(texts: Sequence[str], focus: NDArray[np.integer], longest: int) -> NDArray[np.uint8]:
    """Return sequences as codes, one beneath the other, aligned at the base they are about.

    Parameters
    ----------
    focus
        Index of that base in each sequence; -1 for its middle.
    longest
        Most columns; sequences are cut to it evenly around the focus.

    Returns
    -------
    ndarray
        0 to 3 for A, C, G and T, 4 for any other letter and where there is none; shape
        (examples, columns).
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    places = np.where(focus < 0, lengths // 2, focus)
    before = int(min(places.max(initial=0), longest // 2))
    after = int(min((lengths - places).max(initial=1), longest - before))
    table = np.full((len(texts), before + after), 4, dtype=np.uint8)
    for row, (text, place) in enumerate(zip(texts, places.tolist(), strict=True)):
        first = max(0, place - before)
        codes = base_codes(text[first : place + after].encode())
        start = before - (place - first)
        table[row, start : start + len(codes)] = codes
    return table
