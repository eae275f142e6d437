"""Training sequence that is a copy of held-out sequence, on either strand: found and measured.

Holding a chromosome out does not hold out its relatives: segmental duplications, transposons
and subtelomeres have near copies elsewhere, and a model that has seen the copy has seen the
original. Here the distinct 31-mers of all held-out sequence are tabulated, and the stretches of
a contig that are dense in them are what a strict corpus leaves out. Two sequences that differ
in a share d of their bases have (1 - d)^31 of their 31-mers in common: about half at 2 %.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus import kmers
from pipeline_lib.corpus.kmers import K, Letters, Positions
from pipeline_lib.corpus.sketch import BLOCK, Sketch, as_letters, pieces
from pipeline_lib.intervals import EMPTY, Intervals

__all__ = ["Sketch", "count_leak", "leak", "leaked_share", "pieces", "shared_regions"]

MIN_LENGTH, MIN_SHARE = 500, 0.5
# A window says something when at least this share of its 31-mers is free of unknown bases.
MIN_KNOWN = 0.1


def shared_regions(
    sketch: Sketch,
    sequence: bytes | Letters,
    *,
    min_length: int = MIN_LENGTH,
    min_share: float = MIN_SHARE,
    block: int = BLOCK,
) -> Intervals:
    """Return the stretches of a contig that are homologous to the sequences of a sketch.

    A window of ``min_length`` bases (or the whole contig, if that is shorter) counts when
    enough of its sampled 31-mers are in the sketch. Windows that overlap or touch are joined,
    and trimmed to their first and last shared 31-mer.

    Parameters
    ----------
    sequence
        The contig: letters of either case, or codes A=0, C=1, G=2, T=3.
    min_length
        Length of a window, in bases.
    min_share
        Smallest share of shared ones among the sampled 31-mers of a window. A 31-mer with a
        letter other than A, C, G and T is none; a window with hardly any does not count.
    block
        Windows looked at at once; has no influence on the result.
    """
    if min_length < K or not 0 < min_share <= 1:
        raise ValueError(f"min_length {min_length} must be >= {K}, min_share {min_share} in (0, 1]")
    letters = as_letters(sequence)
    length = min(min_length, len(letters))
    span = length - K + 1
    if span < 1 or not len(sketch):
        return EMPTY
    fewest = max(int(np.ceil(MIN_KNOWN * span / sketch.scale)), 1)
    tables = []
    for first in range(0, len(letters) - length + 1, block):
        flags = _flags(sketch, letters[first : first + block + length - 1])
        runs = np.empty(((len(flags) - span + 1) // 2 + 1, 4), np.int64)
        count = kmers.dense_runs(flags, span, min_share, fewest, runs)
        tables.append(runs[:count] + first)
    return _joined(np.concatenate(tables))


def count_leak(held_out: Sketch, training: Iterable[bytes]) -> float:
    """Return the share of the distinct held-out 31-mers that occur in training sequence."""
    return float(_seen(held_out, training).mean()) if len(held_out) else 0.0


def leak(
    held_out: Sketch, training: Iterable[bytes], splits: Mapping[str, Iterable[bytes]]
) -> dict[str, float]:
    """Return the share of the bases of each split that training sequence has, too.

    Counted are bases that lie in a 31-mer which occurs in training sequence, among those that
    lie in any sampled 31-mer.

    Parameters
    ----------
    held_out
        Sketch of all splits.
    training
        Sequences that a model is trained on; see :func:`pieces`.
    splits
        Sequences of each held-out split: whole intervals.
    """
    seen = _seen(held_out, training)
    return {split: leaked_share(held_out, seen, each) for split, each in splits.items()}


def leaked_share(held_out: Sketch, seen: NDArray[np.bool_], sequences: Iterable[bytes]) -> float:
    """Return the share of held-out bases that lie in 31-mers which training sequence has.

    Parameters
    ----------
    sequences
        Held-out sequences: whole intervals.
    seen
        Which k-mers of the sketch training sequence has; shape (k-mers,).
    """
    leaked = total = 0
    for sequence in sequences:
        reach = [0, 0]
        for places, found in held_out.find(as_letters(sequence)):
            present = found >= 0
            present[present] = seen[found[present]]
            more, reach[0] = kmers.covered(places, present, reach[0])
            bases, reach[1] = kmers.covered(places, np.ones_like(present), reach[1])
            leaked, total = leaked + more, total + bases
    return leaked / max(total, 1)


def _flags(sketch: Sketch, letters: Letters) -> NDArray[np.uint8]:
    """Return 2 for starts of k-mers in the sketch, 1 for other sampled ones, 0 for the rest."""
    flags = np.zeros(len(letters) - K + 1, np.uint8)
    for places, found in sketch.find(letters):
        kmers.mark(places, found, flags)
    return flags


def _joined(runs: Positions) -> Intervals:
    """Join runs of windows, and trim them to their first and last hit; shape (runs, 4)."""
    if not len(runs):
        return EMPTY
    windows = Intervals.union(runs[:, 0], runs[:, 2] + K)
    first = np.searchsorted(runs[:, 0], windows.starts)
    last = np.append(first[1:], len(runs)) - 1
    return Intervals(runs[first, 1], runs[last, 3] + K)


def _seen(sketch: Sketch, sequences: Iterable[bytes]) -> NDArray[np.bool_]:
    """Return which k-mers of the sketch occur in sequences; shape (k-mers,)."""
    seen = np.zeros(len(sketch), dtype=np.bool_)
    for sequence in sequences:
        for _, found in sketch.find(as_letters(sequence)):
            seen[found[found >= 0]] = True
    return seen
