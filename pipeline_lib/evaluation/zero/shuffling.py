"""Shuffled sequence that keeps the counts of its bases, or of its pairs of neighbouring bases."""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.sequence import base_codes

_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


def shuffle_bases(sequence: bytes, generator: np.random.Generator) -> bytes:
    """Return the same letters in random order."""
    return generator.permutation(np.frombuffer(sequence, dtype=np.uint8)).tobytes()


def shuffle_pairs(sequence: bytes, generator: np.random.Generator) -> bytes:
    """Return a random sequence with the same pairs of neighbours, first and last base.

    All such sequences are equally likely: they are the walks along all edges of a graph whose
    nodes are bases and whose edges are the pairs (Altschul and Erickson 1985). The edges by which
    each base is left for the last time form a tree that leads to the last base: they are drawn
    until they do. All other edges are taken in random order.

    Parameters
    ----------
    sequence
        Of A, C, G and T.
    """
    codes = base_codes(sequence)
    if len(codes) < 4:
        return sequence
    last = int(codes[-1])
    follow = [codes[1:][codes[:-1] == base] for base in range(4)]
    exits = _last_exits(follow, last, generator)
    queues = []
    for base, edges in enumerate(follow):
        order = generator.permutation(edges)
        if base in exits:
            # One edge of this kind is put aside for the end.
            place = int(np.flatnonzero(order == exits[base])[0])
            order = np.append(np.delete(order, place), exits[base])
        queues.append(iter(order.tolist()))
    found = np.empty(len(codes), dtype=np.uint8)
    found[0] = at = int(codes[0])
    for index in range(1, len(codes)):
        found[index] = at = next(queues[at])
    return _LETTERS[found].tobytes()


def _last_exits(
    follow: list[NDArray[np.uint8]], last: int, generator: np.random.Generator
) -> dict[int, int]:
    """Return by which edge each base but the last one is left for the last time."""
    left = [base for base, edges in enumerate(follow) if len(edges) and base != last]
    while True:
        exits = {base: int(generator.choice(follow[base])) for base in left}
        if all(_leads(base, exits, last) for base in left):
            return exits


def _leads(base: int, exits: dict[int, int], last: int) -> bool:
    for _ in range(len(exits) + 1):
        if base == last:
            return True
        base = exits[base]
    return False
