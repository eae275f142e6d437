"""Where frequent pairs of tokens occur in a text: the index behind :mod:`merges`."""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.compiled import compiled

SEPARATOR = np.uint16(65_535)
HOLE = np.uint16(65_534)
"""What is left of the right token of a merged pair, until the text is closed up."""

_BUCKETS = 1 << 22
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)
_NOWHERE = np.uint32(0xFFFFFFFF)

Symbols = NDArray[np.uint16]
Item = tuple[int, int, int, int]
"""Negative count, left, right and entry of a pair, as a heap wants it."""


class Index:
    """Lists of the places of all pairs that occur at least ``threshold`` times.

    Parameters
    ----------
    text
        Tokens, with separators; shape (tokens,).
    lengths
        Letters of each token; shape (vocabulary,). Pairs of more than ``max_length`` letters are
        left out.
    """

    def __init__(
        self, text: Symbols, lengths: NDArray[np.int32], max_length: int, threshold: int
    ) -> None:
        # Separators at both ends spare the inner loops their checks.
        self._text = np.concatenate([[SEPARATOR], text, [SEPARATOR]]).astype(np.uint16)
        self._lengths, self._max_length, self._threshold = lengths, max_length, threshold
        slots = 1 << 12
        while True:
            found = _count_frequent(self._text, lengths, max_length, threshold, slots)
            if len(found[0]):
                break
            slots *= 4
        self._keys, self._entries, codes, counts = found
        self._codes: list[int] = codes.tolist()
        self._counts = counts
        frequent = counts >= threshold
        begins = np.concatenate([[0], np.cumsum(np.where(frequent, counts, 0))])
        every = np.empty(begins[-1], dtype=np.int32)
        _list_places(self._text, self._keys, self._entries, frequent, begins[:-1].copy(), every)
        self._places = [
            every[begins[i] : begins[i + 1]] if frequent[i] else None for i in range(len(counts))
        ]
        self._before = np.zeros(len(lengths), dtype=np.int64)
        self._after = np.zeros(len(lengths), dtype=np.int64)

    def pairs(self) -> list[Item]:
        """Return entry, left, right and count of all pairs that have a list."""
        return [
            (entry, code >> 16, code & 0xFFFF, int(self._counts[entry]))
            for entry, code in enumerate(self._codes)
            if self._places[entry] is not None
        ]

    def count(self, entry: int) -> int:
        """Return how often a pair occurs now."""
        return int(self._counts[entry])

    def text(self) -> Symbols:
        """Return the text as it is now."""
        inner = self._text[1:-1]
        kept: Symbols = inner[inner != HOLE]
        return kept

    def merge(self, entry: int, left: int, right: int, new: int) -> list[Item]:
        """Merge a pair wherever it occurs; return the frequent pairs of the new token."""
        where = self._places[entry]
        assert where is not None
        self._places[entry], self._counts[entry] = None, 0
        known = max(new, left, right) + 1
        before, after = self._before[:known], self._after[:known]
        before[:], after[:] = 0, 0
        merged, lefts = _merge_places(self._text, where, left, right, new, before, after)
        _decrease(self._keys, self._entries, self._counts, before, after, left, right)
        self._counts[entry] = 0
        after[left] -= before[new]  # those whose right neighbour was merged as well
        short = self._lengths[:known] + self._lengths[new] <= self._max_length
        starts = (np.flatnonzero((before >= self._threshold) & short)).tolist()
        ends = (np.flatnonzero((after >= self._threshold) & short)).tolist()
        if not starts and not ends:
            return []
        sizes = [int(before[other]) for other in starts] + [int(after[other]) for other in ends]
        begins = np.concatenate([[0], np.cumsum(sizes)])
        at_left, at_right = np.full(len(before), -1), np.full(len(before), -1)
        at_left[starts], at_right[ends] = begins[: len(starts)], begins[len(starts) : -1]
        every = np.empty(begins[-1], dtype=np.int32)
        _gather(self._text, merged, lefts, new, at_left, at_right, every)
        pairs = [(other, new) for other in starts] + [(new, other) for other in ends]
        return [
            self._add(a, b, count, every[begin : begin + count])
            for (a, b), count, begin in zip(pairs, sizes, begins.tolist(), strict=False)
        ]

    def _add(self, left: int, right: int, count: int, places: NDArray[np.int32]) -> Item:
        entry, code = len(self._codes), left << 16 | right
        self._codes.append(code)
        self._places.append(places)
        if entry == len(self._counts):
            self._counts = np.concatenate([self._counts, np.zeros(entry + 1_024, np.int64)])
        self._counts[entry] = count
        if 2 * entry > len(self._keys):
            self._keys = np.full(2 * len(self._keys), _NOWHERE, dtype=np.uint32)
            self._entries = np.zeros(len(self._keys), dtype=np.int32)
            _insert(self._keys, self._entries, np.array(self._codes, dtype=np.uint32), 0)
        else:
            _insert(self._keys, self._entries, np.array([code], dtype=np.uint32), entry)
        return -count, left, right, entry


@compiled
def _slot(keys: NDArray[np.uint32], code: np.uint32) -> np.uint32:
    """Return the slot of a pair in a hash table, or the empty slot where it belongs."""
    mask = np.uint32(len(keys) - 1)
    slot = ((code * _FIRST) >> np.uint32(7)) & mask
    while keys[slot] != _NOWHERE and keys[slot] != code:
        slot = (slot + np.uint32(1)) & mask
    return slot


@compiled
def _insert(
    keys: NDArray[np.uint32], entries: NDArray[np.int32], codes: NDArray[np.uint32], first: int
) -> None:
    for i in range(len(codes)):
        slot = _slot(keys, codes[i])
        keys[slot], entries[slot] = codes[i], first + i


@compiled
def _count_frequent(
    text: Symbols, lengths: NDArray[np.int32], max_length: int, threshold: int, slots: int
) -> tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.uint32], NDArray[np.int64]]:
    """Count the pairs that occur at least ``threshold`` times, and perhaps a few others.

    Pairs are first counted in two sets of buckets, each of which many pairs share: a pair is
    frequent only if both of its buckets are, so that the many rare ones take no memory.

    Returns
    -------
    keys, entries
        Hash table from pair (``left << 16 | right``) to entry; shape (slots,). Without any slots
        if it would be more than half full.
    codes, counts
        Pair and count of each entry; shape (entries,).
    """
    first, second = np.zeros(_BUCKETS, dtype=np.uint32), np.zeros(_BUCKETS, dtype=np.uint32)
    for i in range(len(text) - 1):
        if text[i] != SEPARATOR and text[i + 1] != SEPARATOR:
            code = np.uint32(text[i]) << np.uint32(16) | np.uint32(text[i + 1])
            first[np.uint32(code * _FIRST) >> np.uint32(10)] += np.uint32(1)
            second[np.uint32(code * _SECOND) >> np.uint32(10)] += np.uint32(1)
    keys = np.full(slots, _NOWHERE, dtype=np.uint32)
    entries = np.zeros(slots, dtype=np.int32)
    codes, counts = np.zeros(slots // 2, dtype=np.uint32), np.zeros(slots // 2, dtype=np.int64)
    size = 0
    for i in range(len(text) - 1):
        if text[i] == SEPARATOR or text[i + 1] == SEPARATOR:
            continue
        code = np.uint32(text[i]) << np.uint32(16) | np.uint32(text[i + 1])
        if (
            first[np.uint32(code * _FIRST) >> np.uint32(10)] < threshold
            or second[np.uint32(code * _SECOND) >> np.uint32(10)] < threshold
            or lengths[text[i]] + lengths[text[i + 1]] > max_length
        ):
            continue
        slot = _slot(keys, code)
        if keys[slot] == _NOWHERE:
            if size == slots // 2:
                return keys[:0], entries[:0], codes[:0], counts[:0]
            keys[slot], entries[slot], codes[size] = code, size, code
            size += 1
        counts[entries[slot]] += 1
    return keys, entries, codes[:size], counts[:size]


@compiled
def _list_places(
    text: Symbols,
    keys: NDArray[np.uint32],
    entries: NDArray[np.int32],
    frequent: NDArray[np.bool_],
    nexts: NDArray[np.int64],
    every: NDArray[np.int32],
) -> None:
    """Write the places of each frequent pair to its part of ``every``."""
    for i in range(len(text) - 1):
        if text[i] == SEPARATOR or text[i + 1] == SEPARATOR:
            continue
        slot = _slot(keys, np.uint32(text[i]) << np.uint32(16) | np.uint32(text[i + 1]))
        if keys[slot] != _NOWHERE and frequent[entries[slot]]:
            every[nexts[entries[slot]]] = i
            nexts[entries[slot]] += 1


@compiled
def _merge_places(
    text: Symbols,
    where: NDArray[np.int32],
    left: int,
    right: int,
    new: int,
    before: NDArray[np.int64],
    after: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Merge a pair at those of its places where it still is.

    Returns
    -------
    merged, lefts
        Places of the new tokens, and of the tokens before them, -1 for none; shape (merges,).
    """
    merged, lefts = np.empty_like(where), np.empty_like(where)
    size = 0
    for place in where:
        if text[place] != left:
            continue
        other = place + 1
        while text[other] == HOLE:
            other += 1
        if text[other] != right:
            continue
        text[place], text[other] = new, HOLE
        while text[other] == HOLE:
            other += 1
        if text[other] != SEPARATOR:
            after[text[other]] += 1
        other = place - 1
        while text[other] == HOLE:
            other -= 1
        lefts[size] = -1
        if text[other] != SEPARATOR:
            before[text[other]] += 1
            lefts[size] = other
        merged[size] = place
        size += 1
    return merged[:size], lefts[:size]


@compiled
def _decrease(
    keys: NDArray[np.uint32],
    entries: NDArray[np.int32],
    counts: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    left: int,
    right: int,
) -> None:
    """Take the pairs that a merge has broken from the counts of those that have an entry."""
    for other in range(len(before)):
        if before[other]:
            slot = _slot(keys, np.uint32(other) << np.uint32(16) | np.uint32(left))
            if keys[slot] != _NOWHERE:
                counts[entries[slot]] -= before[other]
        if after[other]:
            slot = _slot(keys, np.uint32(right) << np.uint32(16) | np.uint32(other))
            if keys[slot] != _NOWHERE:
                counts[entries[slot]] -= after[other]


@compiled
def _gather(
    text: Symbols,
    merged: NDArray[np.int32],
    lefts: NDArray[np.int32],
    new: int,
    at_left: NDArray[np.int64],
    at_right: NDArray[np.int64],
    every: NDArray[np.int32],
) -> None:
    """Write the places of the new pairs; ``at_left``, ``at_right`` say where each list begins."""
    for k in range(len(merged)):
        if lefts[k] >= 0 and at_left[text[lefts[k]]] >= 0:
            every[at_left[text[lefts[k]]]] = lefts[k]
            at_left[text[lefts[k]]] += 1
        other = merged[k] + 1
        while text[other] == HOLE:
            other += 1
        if text[other] != SEPARATOR and text[other] != new and at_right[text[other]] >= 0:
            every[at_right[text[other]]] = merged[k]
            at_right[text[other]] += 1
