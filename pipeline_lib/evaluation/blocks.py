"""Blocks of held-out genome: what models and baselines are measured on, and resampled by."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from pipeline_lib.intervals import Intervals

BLOCK = 10_000
"""Bases of a block; it begins at a multiple of this."""

Block = tuple[str, str, int]
"""Assembly, contig, and number of the block on it."""


def chosen_blocks(
    spans: Iterable[tuple[str, str, int, int]], max_bases: int, *, strands: int
) -> set[Block]:
    """Return evenly spread blocks that hold at most about ``max_bases``, but at least one.

    The choice depends on nothing but the arguments: models with different tokenizers and windows,
    and Markov models, are thus measured on the same sequence.

    Parameters
    ----------
    spans
        Assembly, contig, start and end of what is held out; parts may be covered repeatedly.
    max_bases
        Most bases, those of both strands counted if there are two.
    strands
        1 or 2.
    """
    by_contig: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for assembly, contig, start, end in set(spans):
        by_contig[assembly, contig].append((start, end))
    sizes: dict[Block, int] = defaultdict(int)
    for (assembly, contig), pairs in by_contig.items():
        union = Intervals.of(pairs)
        for start, end in zip(union.starts.tolist(), union.ends.tolist(), strict=True):
            for number, first, last in in_blocks(start, end):
                sizes[assembly, contig, number] += last - first
    blocks = sorted(sizes)
    total = sum(sizes.values()) * strands
    if total <= max_bases:
        return set(blocks)
    count = max(1, len(blocks) * max_bases // total)
    places = np.linspace(0, len(blocks) - 1, count).round().astype(int)
    return {blocks[place] for place in places}


def in_blocks(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each block that a stretch touches, and the part of it in the block."""
    for number in range(start // BLOCK, (end - 1) // BLOCK + 1):
        yield number, max(start, number * BLOCK), min(end, (number + 1) * BLOCK)
