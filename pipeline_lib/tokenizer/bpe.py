"""Byte-pair encoding of DNA (Sennrich et al. 2016), compiled.

The same ids as ``tokenizers``: of all pairs in a sentence the one with the lowest rank is merged
first, the leftmost of equals. DNA has no blanks to split at, so that a sentence is one long word.
What makes this fast: a merge only ever makes pairs of higher ranks, so that a list for each rank,
gone through once from the lowest, takes the place of a heap; and the table of merges is small
enough for the processor's cache.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.compiled import compiled
from pipeline_lib.errors import InputError

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
NONE = np.int32(-1)
BLOCK = 64  # ranks that are looked at together when the next one is searched
_SCATTER = np.uint32(0x9E3779B1)


@dataclass(frozen=True, slots=True)
class Merges:
    """The merges of a tokenizer as a hash table with open addressing.

    Attributes
    ----------
    letters
        Id of each letter, that of the unknown token for all others; shape (256,).
    table
        ``left << 48 | right << 32 | rank`` of each merge, all ones in empty slots, 8 bytes each so
        that 32,000 merges fit into the processor's cache; shape (slots,), a power of two.
    products
        Id of the token that each merge makes; shape (merges,).
    doubles
        Whether a merge joins two tokens of the same kind; shape (merges,).
    """

    letters: NDArray[np.uint16]
    table: NDArray[np.uint64]
    products: NDArray[np.uint16]
    doubles: NDArray[np.bool_]


def read_merges(path: Path) -> Merges:
    """Read letters and merges from a ``tokenizer.json``.

    Raises
    ------
    InputError
        If it is not a byte-pair encoding.
    """
    model = json.loads(Path(path).read_text())["model"]
    if model.get("type") != "BPE":
        raise InputError(
            f"is a tokenizer of type {model.get('type')!r}",
            path=path,
            expected="a byte-pair encoding",
            remedy="give the tokenizer.json of a tokenizer of `kind: bpe`",
        )
    ids: dict[str, int] = model["vocab"]
    letters = np.full(256, ids[model["unk_token"]], dtype=np.uint16)
    for word, number in ids.items():
        if len(word) == 1 and ord(word) < 256:
            letters[ord(word)] = number
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    keys = np.array([ids[left] << 16 | ids[right] for left, right in pairs], dtype=np.uint32)
    products = np.array([ids[left + right] for left, right in pairs], dtype=np.uint16)
    table = np.full(1 << max(4, (2 * len(pairs)).bit_length()), EMPTY, dtype=np.uint64)
    _fill(table, keys)
    doubles = np.array([left == right for left, right in pairs], dtype=np.bool_)
    return Merges(letters, table, products, doubles)


def encode(
    merges: Merges, text: NDArray[np.uint8], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Encode sentences.

    Parameters
    ----------
    text
        ASCII codes of all sentences in a row; shape (letters,).
    ends
        Index after the last letter of each sentence; shape (sentences,).

    Returns
    -------
    tokens
        Ids of all sentences in a row; shape (tokens,).
    ends
        Index after the last token of each sentence; shape (sentences,).
    """
    longest = np.diff(ends, prepend=0).max() if len(ends) else np.int64(0)
    tokens = np.empty(len(text), dtype=np.uint16)
    token_ends = np.empty(len(ends), dtype=np.int32)
    count = _encode(
        merges.letters, merges.table, merges.products, merges.doubles,
        text, ends, longest, tokens, token_ends,
    )  # fmt: skip
    return tokens[:count].copy(), token_ends


@compiled
def _fill(table: NDArray[np.uint64], keys: NDArray[np.uint32]) -> None:
    """Put merges into a hash table; a pair that comes twice gets the later rank."""
    mask = np.uint32(len(table) - 1)
    for rank in range(len(keys)):
        slot = (keys[rank] * _SCATTER >> np.uint32(12)) & mask
        while table[slot] != EMPTY and table[slot] >> np.uint64(32) != keys[rank]:
            slot = (slot + np.uint32(1)) & mask
        table[slot] = np.uint64(keys[rank]) << np.uint64(32) | np.uint64(rank)


@compiled
def _find(table: NDArray[np.uint64], left: np.uint16, right: np.uint16) -> np.int32:
    """Return the rank of a merge, -1 where there is none."""
    mask = np.uint32(len(table) - 1)
    key = np.uint32(left) << np.uint32(16) | np.uint32(right)
    slot = (key * _SCATTER >> np.uint32(12)) & mask
    while table[slot] != EMPTY:
        if table[slot] >> np.uint64(32) == key:
            return np.int32(table[slot] & np.uint64(0x7FFFFFFF))
        slot = (slot + np.uint32(1)) & mask
    return NONE


@compiled
def _encode(
    letters: NDArray[np.uint16],
    table: NDArray[np.uint64],
    products: NDArray[np.uint16],
    doubles: NDArray[np.bool_],
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    longest: np.int64,
    tokens: NDArray[np.uint16],
    token_ends: NDArray[np.int32],
) -> np.int64:
    """Encode all sentences; return the number of tokens.

    Symbols are held by the place of their first letter. For each rank there is a list of the
    places where its merge was found; such a place counts only if it still has that rank.
    """
    symbols = np.empty(longest, dtype=np.uint16)
    nexts, previous = np.empty(longest, dtype=np.int32), np.empty(longest, dtype=np.int32)
    ranks = np.empty(longest, dtype=np.int32)  # of the merge of each symbol with the next one
    heads = np.full(len(products) + BLOCK, NONE, dtype=np.int32)  # first item of each rank's list
    waiting = np.zeros(len(products) // BLOCK + 1, dtype=np.int32)  # lists of each block of ranks
    items, links = np.empty(3 * longest, dtype=np.int32), np.empty(3 * longest, dtype=np.int32)
    places = np.empty(3 * longest, dtype=np.int32)
    begin, count = np.int64(0), np.int64(0)
    for sentence in range(len(ends)):
        length, size = ends[sentence] - begin, np.int64(0)
        for i in range(length):
            symbols[i] = letters[text[begin + i]]
            nexts[i], previous[i], ranks[i] = i + 1, i - 1, NONE
        for i in range(length - 2, -1, -1):  # backwards: lists give their last item first
            rank = ranks[i] = _find(table, symbols[i], symbols[i + 1])
            if rank != NONE:
                waiting[rank // BLOCK] += heads[rank] == NONE
                items[size], links[size], heads[rank] = i, heads[rank], size
                size += 1
        for block in range(len(waiting)):
            rank = np.int32(block * BLOCK - 1)
            while waiting[block]:
                rank += np.int32(1)
                if heads[rank] == NONE:
                    continue
                found, item = np.int64(0), heads[rank]
                while item != NONE:
                    places[found], item = items[item], links[item]
                    found += 1
                if doubles[rank]:  # "AAA": the left one of two that overlap is merged
                    places[:found].sort()
                heads[rank] = NONE
                waiting[block] -= 1
                for k in range(found):
                    i = places[k]
                    if ranks[i] != rank:
                        continue
                    ranks[nexts[i]] = ranks[i] = NONE
                    symbols[i], nexts[i] = products[rank], nexts[nexts[i]]
                    right, before = nexts[i], previous[i]
                    if right < length:
                        previous[right] = i
                        new = ranks[i] = _find(table, symbols[i], symbols[right])
                        if new != NONE:
                            waiting[new // BLOCK] += heads[new] == NONE
                            items[size], links[size], heads[new] = i, heads[new], size
                            size += 1
                    if before >= 0:
                        new = ranks[before] = _find(table, symbols[before], symbols[i])
                        if new != NONE:
                            waiting[new // BLOCK] += heads[new] == NONE
                            items[size], links[size], heads[new] = before, heads[new], size
                            size += 1
        place = np.int64(0)
        while place < length:
            tokens[count] = symbols[place]
            count += 1
            place = nexts[place]
        token_ends[sentence] = count
        begin = ends[sentence]
    return count
