"""Which examples of a task belong together: copies, homologous sequences, one gene, one group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pipeline_lib.finetuning.homology import Homology, find_homology
from pipeline_lib.sequence import reverse_complement

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Links:
    """What ties examples to each other.

    Different sequences and what examples are grouped by are nodes beside the examples, so that a
    thousand copies of a sequence take a thousand entries, and not the million pairs of them.

    Attributes
    ----------
    copies
        Number of each example's sequence (and partner): equal for exact copies, also where one
        is the reverse complement of the other; shape (examples,).
    holds
        Which example holds which sequence; shape (examples, sequences).
    homology
        Homologous pairs of the sequences.
    shares
        Which example has which gene or group; shape (examples, genes and groups).
    """

    copies: NDArray[np.int64]
    holds: sparse.csr_matrix
    homology: Homology
    shares: sparse.csr_matrix

    def copied_from(self, members: Mask) -> Mask:
        """Return for each example whether any of ``members`` is an exact copy of it."""
        return np.isin(self.copies, self.copies[members])

    def alike(self, members: Mask) -> Mask:
        """Return for each example whether it is a copy of, or homologous to, any of ``members``."""
        touched = _reached(self.holds.T, members)
        return _reached(self.holds, touched | self.homology.linked_to(touched))

    def linked_to(self, members: Mask) -> Mask:
        """Return for each example whether it is tied to any of ``members`` in any way."""
        return self.alike(members) | _reached(self.shares, _reached(self.shares.T, members))

    def groups(self) -> NDArray[np.int64]:
        """Return a group number for each example: 0, 1, ... in order of first appearance."""
        count = self.holds.shape[0]
        nodes = sparse.bmat(
            [
                [None, self.holds, self.shares],
                [self.holds.T, self.homology.links, None],
                [self.shares.T, None, sparse.csr_matrix((self.shares.shape[1],) * 2)],
            ]
        )
        _, labels = connected_components(nodes.tocsr(), directed=False)
        return np.asarray(pd.factorize(labels[:count])[0], dtype=np.int64)

    def subset(self, kept: Mask) -> "Links":
        """Return the links among the examples kept."""
        return Links(self.copies[kept], self.holds[kept], self.homology, self.shares[kept])


def find_links(table: pd.DataFrame, *, k: int, shared: int) -> Links:
    """Find what ties the examples of a table to each other.

    Parameters
    ----------
    table
        Column ``sequence``; also ``partner``, ``gene`` and ``group`` where there are such.
        An empty gene and a negative group tie nothing.
    k, shared
        Sequences that share so many different k-mers are homologous: see
        :func:`pipeline_lib.finetuning.homology.find_homology`.
    """
    columns = [table["sequence"]]
    if "partner" in table.columns:
        columns.append(table["partner"])
    texts = np.concatenate([_canonical([text.encode() for text in one]) for one in columns])
    numbers, different = pd.factorize(texts)
    numbers[texts == b""] = -1
    held = list(numbers.reshape(len(columns), len(table)).astype(np.int64))
    copies = pd.factorize(pd.MultiIndex.from_arrays(held))[0].astype(np.int64)
    homology = find_homology(list(different), k=k, shared=shared)
    keys = []
    if "gene" in table.columns:
        keys.append(pd.factorize(table["gene"].replace("", None))[0])
    if "group" in table.columns:
        keys.append(pd.factorize(table["group"].where(table["group"] >= 0))[0])
    return Links(copies, _incidence(held, len(table)), homology, _incidence(keys, len(table), True))


def copy_numbers(sequences: Sequence[bytes]) -> NDArray[np.int64]:
    """Return a number for each sequence: equal for exact copies, on either strand.

    >>> copy_numbers([b"AAC", b"TTT", b"GTT"]).tolist()
    [0, 1, 0]
    """
    return pd.factorize(_canonical(sequences))[0].astype(np.int64)


def _canonical(sequences: Sequence[bytes]) -> NDArray[np.object_]:
    """Return of each sequence and its reverse complement the one that sorts first."""
    result = np.empty(len(sequences), dtype=object)
    for row, sequence in enumerate(sequences):
        result[row] = min(sequence, reverse_complement(sequence))
    return result


def _incidence(
    parts: Sequence[NDArray[np.int64]], rows: int, apart: bool = False
) -> sparse.csr_matrix:
    """Return which row has which number; with ``apart`` the parts do not share numbers."""
    row, column, first = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    width = 0
    for part in parts:
        there = np.flatnonzero(part >= 0)
        row.append(there)
        column.append(part[there] + first)
        width = max(width, first + int(part.max(initial=-1)) + 1)
        first = width if apart else 0
    where = (np.concatenate(row), np.concatenate(column))
    ones = np.ones(len(where[0]), dtype=np.int32)
    return sparse.csr_matrix((ones, where), shape=(rows, width))


def _reached(matrix: sparse.spmatrix, members: Mask) -> Mask:
    return np.asarray(matrix @ members.astype(np.int32) > 0)


def leak(
    splits: NDArray[np.str_], copied_from: Callable[[Mask], Mask], alike: Callable[[Mask], Mask]
) -> dict[str, float]:
    """Return which shares of the test examples are known from training.

    Parameters
    ----------
    splits
        Split of each example; shape (examples,).
    copied_from, alike
        Tell for each example whether any of the given ones is an exact copy, on either strand,
        or homologous.

    Returns
    -------
    dict
        ``exact`` and ``homologous``, of which the latter counts exact copies too.
    """
    train, test = splits == "train", splits == "test"
    if not test.any():
        return {"exact": 0.0, "homologous": 0.0}
    exact = copied_from(train)[test]
    return {
        "exact": float(exact.mean()),
        "homologous": float((exact | alike(train)[test]).mean()),
    }
