"""Which examples are homologous, by the k-mers that they share.

Copies of a gene family, repeats and overlapping windows of one locus are all found the same
way: by the number of different canonical k-mers (a k-mer and its reverse complement are one)
that two sequences have in common. Shared k-mers are counted for all pairs at once, as the
product of the sparse example-by-k-mer matrix with its transpose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pipeline_lib.sequence import base_codes, kmer_codes, reverse_complement

# More k-mers than this are thinned out to this many, which bounds memory at about 400 MB.
MAX_KMERS = 40_000_000
# About this many of them are counted at a time.
PORTION = 2_000_000
# A k-mer found in more examples than both of these is a repeat unit or low-complexity sequence:
# it says nothing about common descent, and would glue unrelated examples together.
MAX_EXAMPLES, MAX_EXAMPLES_SHARE = 500, 0.02


@dataclass(frozen=True, slots=True)
class Homology:
    """Pairs of homologous examples.

    Attributes
    ----------
    links
        Symmetric boolean matrix of shape (examples, examples), without the diagonal.
    ignored_kmers
        Different k-mers left out because they are found in too many examples.
    kept_share
        Share of k-mers counted; less than 1 where there are too many to count them all.
    """

    links: sparse.csr_matrix
    ignored_kmers: int
    kept_share: float

    def groups(self) -> NDArray[np.int64]:
        """Return a group number for each example: 0, 1, ... in order of first appearance."""
        _, labels = connected_components(self.links, directed=False)
        _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
        return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)

    def linked_to(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each example whether it is homologous to any of ``members``."""
        return np.asarray(self.links @ members.astype(np.int32) > 0)

    def subset(self, kept: NDArray[np.bool_]) -> "Homology":
        """Return the links among the examples kept."""
        return Homology(self.links[kept][:, kept], self.ignored_kmers, self.kept_share)


def find_homology(sequences: Sequence[bytes], *, k: int, shared: int) -> Homology:
    """Link sequences that have at least ``shared`` different canonical k-mers in common.

    A stretch of sequence that two examples have in common counts its length less k - 1 k-mers,
    on either strand. Tandem repeats of a unit of n bases have n different k-mers at most, so
    that simple repeats do not reach the threshold.

    Parameters
    ----------
    sequences
        Upper-case sequences; k-mers with letters other than A, C, G and T are skipped.
    k
        Length of the k-mers, at most 31.
    shared
        Smallest number of shared k-mers. Where k-mers are thinned out it shrinks in proportion.
    """
    total = sum(max(len(sequence) - k + 1, 0) for sequence in sequences)
    share = min(1.0, MAX_KMERS / max(total, 1))
    threshold = max(round(shared * share), 1)
    hashes, owners = _hashed_kmers(sequences, k, share)
    limit = max(MAX_EXAMPLES, int(MAX_EXAMPLES_SHARE * len(sequences)))
    portions = max(1, -(-len(hashes) // PORTION))
    counts = sparse.csr_matrix((len(sequences), len(sequences)), dtype=np.int32)
    ignored = 0
    for portion in range(portions):
        chosen = hashes % portions == portion
        part, too_many = _shared_counts(hashes[chosen], owners[chosen], len(sequences), limit)
        counts, ignored = counts + part, ignored + too_many
    counts.setdiag(0)
    counts.data = (counts.data >= threshold).astype(np.int32)
    counts.eliminate_zeros()
    return Homology(counts.tocsr(), ignored, share)


class Linked(Protocol):
    """Anything that tells which examples belong with some of them."""

    def linked_to(self, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each example whether it belongs with any of ``members``."""


def separate(
    homology: Linked, splits: NDArray[np.str_], order: Sequence[str] = ("test", "valid", "train")
) -> NDArray[np.bool_]:
    """Choose the examples to keep so that no two homologous ones are in different splits.

    Of a pair in two splits, the one in the split that comes first in ``order`` stays: the
    held-out examples are the measure, and training data are what there is most of.

    Returns
    -------
    ndarray of bool
        Which examples are kept; shape (examples,).
    """
    kept = np.ones(len(splits), dtype=bool)
    for index, split in enumerate(order):
        above = kept & np.isin(splits, order[:index])
        kept &= ~((splits == split) & homology.linked_to(above))
    return kept


def _hashed_kmers(
    sequences: Sequence[bytes], k: int, share: float
) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Return hashes of canonical k-mers, and the example of each; both of shape (k-mers,)."""
    # 32 bits are enough: a chance collision adds one shared k-mer, and many are asked for.
    bound = np.uint64(share * 2**32)
    hashes, owners = [np.empty(0, np.uint32)], [np.empty(0, np.int32)]
    for first in range(0, len(sequences), 2_000):
        batch = sequences[first : first + 2_000]
        joined = b"-".join(batch)
        forward = kmer_codes(base_codes(joined), k)
        backward = kmer_codes(base_codes(reverse_complement(joined)), k)[::-1]
        canonical = np.minimum(forward, backward)
        lengths = [len(sequence) + 1 for sequence in batch]
        owner = np.repeat(np.arange(first, first + len(batch), dtype=np.int32), lengths)
        mixed = _mix(canonical.astype(np.uint64)) >> np.uint64(32)
        usable = (canonical >= 0) & (mixed < bound)
        hashes.append(mixed[usable].astype(np.uint32))
        owners.append(owner[: len(canonical)][usable])
    return np.concatenate(hashes), np.concatenate(owners)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble integers by the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _shared_counts(
    hashes: NDArray[np.uint32], owners: NDArray[np.int32], examples: int, limit: int
) -> tuple[sparse.csr_matrix, int]:
    """Count shared k-mers for all pairs of examples; also return how many k-mers were ignored."""
    pairs = (hashes.astype(np.uint64) << np.uint64(32)) | owners.astype(np.uint64)
    pairs.sort()
    pairs = pairs[_changes(pairs)]
    kmers = pairs >> np.uint64(32)
    starts = np.flatnonzero(_changes(kmers))
    sizes = np.diff(np.append(starts, len(kmers)))
    useful = (sizes >= 2) & (sizes <= limit)
    rows = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)[np.repeat(useful, sizes)]
    pointers = np.concatenate([[0], np.cumsum(sizes[useful])])
    shape = (int(useful.sum()), examples)
    matrix = sparse.csr_matrix((np.ones(len(rows), np.int32), rows, pointers), shape=shape)
    return (matrix.T @ matrix).tocsr(), int((sizes > limit).sum())


def _changes(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return where a sorted array has a value for the first time."""
    first = np.ones(len(values), dtype=bool)
    first[1:] = values[1:] != values[:-1]
    return first
