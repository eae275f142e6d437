"""Learning the merges of a byte-pair encoding from hundreds of millions of bases.

The same merges as those of ``tokenizers``: always the most frequent pair of neighbours, of equals
the one with the lowest ids. What differs is the memory, 2 bytes a base and little more:

1. While tokens are few and pairs frequent, each merge goes through the whole text, which shrinks
   to less than a third on the way, and pairs are counted in a square table.
2. From then on only pairs above a threshold have a list of the places where they occur, and a
   merge visits just those. Counts only ever fall, but for those of a new token, which are known
   when it is made: so when no pair reaches the threshold any more, the text is read again with a
   lower one.
"""

import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise, repeat

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.compiled import compiled
from pipeline_lib.tokenizer import places

SEPARATOR = places.SEPARATOR
DENSE = 256
"""Tokens at which the square table is given up, at the latest."""
RARE = 50
"""It is given up earlier when the best pair is rarer than one in this many tokens."""
LOWERED = 8
"""How far below the best pair the threshold of the lists lies."""

Merge = tuple[int, int]
Symbols = NDArray[np.uint16]
Counts = NDArray[np.int64]


@dataclass
class Vocabulary:
    """Tokens so far, and the merges that made them.

    Attributes
    ----------
    words
        Text of each token; special tokens are there, but never in the text.
    """

    words: list[str]
    size: int
    min_frequency: int
    max_length: int
    merges: list[Merge] = field(default_factory=list)
    lengths: NDArray[np.int32] = field(init=False)
    ids: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = {word: number for number, word in enumerate(self.words)}
        self.lengths = np.zeros(max(self.size, len(self.words) + 1, DENSE), np.int32)
        self.lengths[: len(self.words)] = [len(word) for word in self.words]

    @property
    def full(self) -> bool:
        """Whether there are as many tokens as asked for."""
        return len(self.words) >= self.size

    def add(self, left: int, right: int) -> tuple[int, bool]:
        """Record a merge; return the id of its token, and whether the token is new."""
        self.merges.append((left, right))
        word = self.words[left] + self.words[right]
        known = self.ids.get(word)
        if known is not None:
            return known, False
        number = len(self.words)
        self.words.append(word)
        self.ids[word], self.lengths[number] = number, len(word)
        return number, True


def learn_merges(
    symbols: Symbols,
    words: list[str],
    *,
    vocab_size: int,
    min_frequency: int,
    max_length: int,
    threads: int = 1,
) -> tuple[list[str], list[Merge]]:
    """Learn merges.

    Parameters
    ----------
    symbols
        The text: ids of letters, ``SEPARATOR`` between pieces that no token may bridge; shape
        (letters,). It is overwritten.
    words
        Special tokens and letters, in the order of their ids.
    vocab_size
        Number of tokens to end with; fewer come out if the text has no more pairs.
    min_frequency
        A pair seen less often than this is not merged.
    max_length
        Longest token, in letters.

    Returns
    -------
    words, merges
        All tokens, and the pairs of ids in the order in which they were merged.
    """
    vocabulary = Vocabulary(list(words), vocab_size, max(1, min_frequency), max_length)
    text, best = _merge_everywhere(symbols, vocabulary, threads)
    if best:
        _merge_listed(text, vocabulary, best)
    return vocabulary.words, vocabulary.merges


def _merge_everywhere(
    symbols: Symbols, vocabulary: Vocabulary, threads: int
) -> tuple[Symbols, int]:
    """Merge by going through the whole text; return what is left of it, and the best count."""
    parts = _split(symbols, threads)
    size = max(DENSE, len(vocabulary.words) + 1)
    counts = np.zeros((size, size), dtype=np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(_count_pairs, parts, repeat(size)):
            counts += found
        while True:
            left, right = divmod(int(counts.argmax()), size)
            best = int(counts[left, right])
            if vocabulary.full or best < vocabulary.min_frequency:
                return symbols[:0], 0
            if len(vocabulary.words) == size or best * RARE < sum(map(len, parts)):
                return np.concatenate(parts), best
            new, _ = vocabulary.add(left, right)
            pair = repeat(left), repeat(right), repeat(new), repeat(size)
            done = list(pool.map(_merge_all, parts, *pair))
            parts = [part[:length] for part, (length, _, _) in zip(parts, done, strict=True)]
            before: Counts = np.sum([befores for _, befores, _ in done], axis=0)
            after: Counts = np.sum([afters for _, _, afters in done], axis=0)
            short = vocabulary.lengths[:size] + vocabulary.lengths[new] <= vocabulary.max_length
            counts[:, left] -= before
            counts[:, new] += before * short
            counts[right, :] -= after
            counts[new, :] += after * short
            counts[left, right] = 0


def _split(symbols: Symbols, threads: int) -> list[Symbols]:
    """Cut the text into one part a thread, at separators."""
    borders = [0]
    for number in range(1, threads):
        place = max(borders[-1], len(symbols) * number // threads)
        while place < len(symbols) and symbols[place] != SEPARATOR:
            place += 1
        borders.append(place)
    borders.append(len(symbols))
    return [symbols[begin:end] for begin, end in pairwise(borders)]


@compiled
def _count_pairs(symbols: Symbols, size: int) -> Counts:
    """Return how often each token precedes each other one; shape (size, size)."""
    counts = np.zeros((size, size), dtype=np.int64)
    for i in range(len(symbols) - 1):
        if symbols[i] != SEPARATOR and symbols[i + 1] != SEPARATOR:
            counts[symbols[i], symbols[i + 1]] += 1
    return counts


@compiled
def _merge_all(
    symbols: Symbols, left: int, right: int, new: int, size: int
) -> tuple[int, Counts, Counts]:
    """Merge a pair wherever it occurs, closing up the text.

    Returns
    -------
    length
        How much is left of the text.
    before, after
        How often each token preceded and followed a merged pair; shape (size,).
    """
    before, after = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    i, kept, last = 0, 0, len(symbols) - 1
    while i <= last:
        if symbols[i] == left and i < last and symbols[i + 1] == right:
            if kept and symbols[kept - 1] != SEPARATOR:
                before[symbols[kept - 1]] += 1
            symbols[kept] = new
            i += 2
            if i <= last and symbols[i] != SEPARATOR:
                after[symbols[i]] += 1
        else:
            symbols[kept] = symbols[i]
            i += 1
        kept += 1
    return kept, before, after


def _merge_listed(text: Symbols, vocabulary: Vocabulary, best: int) -> None:
    """Merge by lists of places, until the vocabulary is full or no pair is left."""
    lowest = vocabulary.min_frequency
    threshold = max(lowest, best // LOWERED)
    while not vocabulary.full:
        index = places.Index(text, vocabulary.lengths, vocabulary.max_length, threshold)
        heap = [(-count, left, right, entry) for entry, left, right, count in index.pairs()]
        heapq.heapify(heap)
        whole = True
        while heap and whole and not vocabulary.full:
            count, left, right, entry = heapq.heappop(heap)
            now = index.count(entry)
            if now < threshold:
                continue
            if now != -count:
                heapq.heappush(heap, (-now, left, right, entry))
                continue
            new, whole = vocabulary.add(left, right)
            for pair in index.merge(entry, left, right, new):
                heapq.heappush(heap, pair)
        # A token that was there before has places outside of the lists: read everything again.
        text = index.text()
        if whole:
            if threshold == lowest:
                return
            threshold = max(lowest, threshold // LOWERED)
