"""Canonical 31-mers at the speed of compiled code: rolled, looked up, counted in windows.

A k-mer is packed in two bits a base and is canonical: the smaller of itself and its reverse
complement, so that both strands give the same number. It is then scrambled by a function that
loses nothing, which spreads the k-mers of any genome evenly over the 64-bit integers: a share
of them can be sampled by a bound, and a sorted table of them be entered at the right place at
once. All functions here release the global lock.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.compiled import compiled
from pipeline_lib.sequence import base_codes

K = 31

Letters = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

# ASCII letters and codes 0 to 3 alike: no text has such bytes.
_CODES = base_codes(bytes(range(256)))
_CODES[:4] = range(4)

_ONE, _TWO, _THREE, _SIX, _BITS = (np.uint64(number) for number in (1, 2, 3, 6, 63))
_TOP, _MASK = np.uint64(2 * K - 2), np.uint64((1 << 2 * K) - 1)
# Of SplitMix64 (Steele, Lea and Flood 2014). The first keeps poly-A, packed 0, from staying 0.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


@compiled
def _scramble(kmer: np.uint64) -> np.uint64:
    kmer = kmer + _STEP
    kmer = (kmer ^ (kmer >> _SHIFTS[0])) * _FACTORS[0]
    kmer = (kmer ^ (kmer >> _SHIFTS[1])) * _FACTORS[1]
    return kmer ^ (kmer >> _SHIFTS[2])


@compiled
def roll(letters: Letters, limit: np.uint64, places: Positions, hashes: Hashes) -> int:
    """Write start and hash of the k-mers of ACGT whose hash is at most ``limit``.

    Parameters
    ----------
    letters
        Letters in either case, or codes A=0, C=1, G=2, T=3; shape (bases,).
    places, hashes
        Are written to; shape (bases,).

    Returns
    -------
    int
        How many k-mers were written.
    """
    forward = backward = np.uint64(0)
    known = count = 0
    for position in range(len(letters)):
        code = np.uint64(_CODES[letters[position]])
        if code > _THREE:
            known = 0
            continue
        forward = ((forward << _TWO) | code) & _MASK
        backward = (backward >> _TWO) | ((_THREE - code) << _TOP)
        known += 1
        if known >= K:
            value = _scramble(min(forward, backward))
            if value <= limit:
                places[count] = position - (K - 1)
                hashes[count] = value
                count += 1
    return count


@compiled
def distinct(values: Hashes) -> int:
    """Move the distinct values of a sorted array to its front; return how many there are."""
    count = 0
    for index in range(len(values)):
        if count == 0 or values[index] != values[count - 1]:
            values[count] = values[index]
            count += 1
    return count


@compiled
def index_buckets(
    values: Hashes, shift: np.uint64, starts: NDArray[np.uint32], present: Hashes
) -> None:
    """Write where the values of each bucket start, and a rough picture of what it holds.

    A bucket holds the values that agree in all but the lowest ``shift`` bits.

    Parameters
    ----------
    values
        Sorted; shape (values,).
    shift
        At least 6.
    starts
        Is written to; shape (buckets + 1,).
    present
        Is written to: 64 bits for each bucket, of which bit j is set if it holds a value whose
        next 6 bits are j; shape (buckets,).
    """
    present[:] = 0
    bucket = 0
    for index in range(len(values)):
        while bucket <= np.int64(values[index] >> shift):
            starts[bucket] = index
            bucket += 1
        present[bucket - 1] |= _ONE << ((values[index] >> (shift - _SIX)) & _BITS)
    while bucket < len(starts):
        starts[bucket] = len(values)
        bucket += 1


@compiled
def find(
    wanted: Hashes,
    values: Hashes,
    starts: NDArray[np.uint32],
    present: Hashes,
    shift: np.uint64,
    found: Positions,
) -> None:
    """Write the index of each wanted value among ``values``, -1 if it is not there."""
    # Most are not there, which a bit tells. A loop that does nothing else has many reads under
    # way at once: with a table larger than the cache it is ten times as fast as one with branches.
    maybe = np.empty(len(wanted), np.bool_)
    for number in range(len(wanted)):
        value = wanted[number]
        word = present[value >> shift]
        maybe[number] = (word >> ((value >> (shift - _SIX)) & _BITS)) & _ONE
    numbers, count = np.empty(len(wanted), np.int32), 0
    for number in range(len(wanted)):
        found[number] = -1
        numbers[count] = number
        count += maybe[number]
    for number in numbers[:count]:
        found[number] = starts[wanted[number] >> shift]
    for number in numbers[:count]:
        value, place = wanted[number], found[number]
        while place < len(values) and values[place] < value:
            place += 1
        found[number] = place if place < len(values) and values[place] == value else -1


@compiled
def mark(places: Positions, found: Positions, flags: NDArray[np.uint8]) -> None:
    """Write for each k-mer, where it starts, 2 if it was found and 1 if it was not."""
    for number in range(len(places)):
        flags[places[number]] = 1 + (found[number] >= 0)


@compiled
def dense_runs(
    flags: NDArray[np.uint8], span: int, share: float, fewest: int, runs: Positions
) -> int:
    """Write the runs of windows in which enough of the sampled k-mers are hits.

    Parameters
    ----------
    flags
        For the k-mer that starts at each base: 2 for a hit, 1 for a sampled k-mer that is none,
        0 for no k-mer; shape (starts,).
    span
        Starts in a window.
    share
        Smallest share of hits among the sampled k-mers of a window.
    fewest
        Smallest number of sampled k-mers of a window.
    runs
        Is written to: first start of the first window, first hit, last start of the last
        window, last hit; shape (at least half the windows + 1, 4).

    Returns
    -------
    int
        How many runs were written.
    """
    sampled = hits = count = 0
    inside, latest = False, -1
    for last in range(len(flags)):
        sampled += flags[last] > 0
        if flags[last] == 2:
            hits += 1
            latest = last
        first = last - span + 1
        if first < 0:
            continue
        dense = hits > 0 and sampled >= fewest and hits >= share * sampled - 1e-9
        if dense and not inside:
            hit = first
            while flags[hit] != 2:
                hit += 1
            runs[count, 0], runs[count, 1] = first, hit
            count += 1
        if dense:
            runs[count - 1, 2], runs[count - 1, 3] = last, latest
        inside = dense
        sampled -= flags[first] > 0
        hits -= flags[first] == 2
    return count


@compiled
def covered(places: Positions, chosen: NDArray[np.bool_], reach: int) -> tuple[int, int]:
    """Count the bases at or after ``reach`` that lie in chosen k-mers.

    Returns
    -------
    tuple
        The count, and the end of the last chosen k-mer, to go on from.
    """
    bases = 0
    for number in range(len(places)):
        if chosen[number]:
            end = places[number] + K
            bases += end - max(places[number], reach)
            reach = end
    return bases, reach
