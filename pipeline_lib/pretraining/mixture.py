"""Several corpora in one stream of training samples, each with its share of it.

Which corpus sample ``k`` of the endless stream comes from, and which of that corpus's own samples
it is, depends on the seed and on ``k`` alone: as with one corpus, resuming needs no more than a
number. The stream is cut into blocks; in each block every corpus has the same number of places,
shuffled anew. A corpus thus never runs dry, nor comes in bursts: one that is small for its weight
begins its next epoch while the others are still in their first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.pretraining.data import Batch, Samples
from pipeline_lib.randomness import named_generator

SMALLEST_BLOCK, LARGEST_BLOCK = 1024, 2**20
LEAST_PLACES = 64
"""Places that the corpus of the smallest weight has in a block: shares are right within 1 %."""
KEY = "pretraining.models.*.mix"


class Mixture:
    """Samples of several corpora; used like :class:`~pipeline_lib.pretraining.data.Samples`.

    Parameters
    ----------
    parts
        Samples of each corpus, cut to the same length.
    weights
        Share of the samples that each corpus is to have, in any unit.
    seed
        Seed of the order of the corpora.

    Attributes
    ----------
    block
        Positions of a block.
    places
        How many of them each corpus has; (corpora,).

    Raises
    ------
    InputError
        If the shards were not all written with the same tokenizer, or a weight is too small.
    """

    def __init__(self, parts: Sequence[Samples], weights: Sequence[float], seed: int) -> None:
        sizes = {part.vocab_size for part in parts}
        if len(sizes) > 1:
            raise InputError(
                "the shards of the corpora were written with tokenizers of "
                f"{' and '.join(f'{size:,}' for size in sorted(sizes))} tokens",
                where=KEY,
                expected="the same tokenizer for all of them",
                remedy="make the shards again: `snakemake --cores 2 shards`",
            )
        self._parts, self._seed, self._pad = list(parts), seed, parts[0]._pad
        self.block, self.places = share_out(weights)
        sizes_before = np.cumsum([0, *(len(part) for part in parts)])
        self._offsets = sizes_before.astype(np.int64)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        """Return the samples of one pass: until a corpus begins anew for the first time.

        It is the one that is smallest for its weight. Of the others, part has then been read.
        """
        lengths = np.diff(self._offsets)
        return int(min(lengths.astype(object) * self.block // self.places.astype(object)))

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary that the shards were written with."""
        return self._parts[0].vocab_size

    def batch(self, begin: int, size: int) -> Batch:
        """Return samples ``begin`` to ``begin + size`` of the endless mixed stream.

        Numbers of samples are unique across corpora, so that chance, which is a function of them,
        treats no two alike; the epoch of a sample is that of its own corpus.
        """
        corpora, firsts = self._corpora(begin, size)
        found: list[tuple[NDArray[np.int64], Batch]] = []
        for corpus in np.unique(corpora):
            rows = np.flatnonzero(corpora == corpus)
            part = self._parts[corpus].batch(int(firsts[corpus]), len(rows))
            found.append((rows, _renumbered(part, int(self._offsets[corpus]))))
        return _joined(found, size, self._pad)

    def coordinates(self, sample: int) -> dict[str, Any]:
        """Return the document that a sample is part of, and which part of how many it is."""
        corpus = int(np.searchsorted(self._offsets, sample, side="right")) - 1
        return self._parts[corpus].coordinates(sample - int(self._offsets[corpus]))

    def _corpora(self, begin: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the corpus of each position of a range, and where in each its samples begin.

        What a range takes of a corpus lies together in the corpus's own stream: one number says
        where. Shapes (size,) and (corpora,).
        """
        first, skipped = divmod(begin, self.block)
        last = max(first, (begin + size - 1) // self.block)
        orders = [self._block_order(number) for number in range(first, last + 1)]
        before = np.bincount(orders[0][:skipped], minlength=len(self._parts))
        return np.concatenate(orders)[skipped : skipped + size], first * self.places + before

    def _block_order(self, number: int) -> NDArray[np.int64]:
        """Return the corpus of each position of a block; (block,)."""
        known, order = self._order
        if known != number:
            corpora = np.repeat(np.arange(len(self.places)), self.places)
            order = named_generator(self._seed, "mixture", number).permutation(corpora)
            self._order = (number, order)  # at one stroke: several threads may be here
        return order


def share_out(weights: Sequence[float]) -> tuple[int, NDArray[np.int64]]:
    """Return the positions of a block, and how many of them each corpus has.

    Places are given in proportion to the weights, rounded so that the sum is right: those with the
    largest remainders are rounded up.

    Raises
    ------
    InputError
        If there is no weight, one is not above 0, or one is too small beside the others.

    Examples
    --------
    >>> block, places = share_out([1.0, 0.5])
    >>> block, places.tolist()
    (1024, [683, 341])
    """
    shares = np.asarray(weights, dtype=np.float64)
    if not len(shares) or not np.isfinite(shares).all() or (shares <= 0).any():
        raise InputError(
            f"the weights {list(weights)}", where=KEY, expected="numbers above 0",
            remedy="give every corpus of the mix a weight, such as 1",
        )  # fmt: skip
    shares = shares / shares.sum()
    block = SMALLEST_BLOCK
    while block * shares.min() < LEAST_PLACES and len(shares) > 1:
        block *= 2
        if block > LARGEST_BLOCK:
            raise InputError(
                f"the smallest weight is {shares.min():.2g} of their sum",
                where=KEY,
                expected=f"at least {LEAST_PLACES / LARGEST_BLOCK:.2g}",
                remedy="raise the smallest weight, or leave its corpus out",
            )
    exact = shares * block
    places = np.floor(exact).astype(np.int64)
    upwards = np.argsort(places - exact, kind="stable")[: block - int(places.sum())]
    places[upwards] += 1
    return block, places


def _renumbered(batch: Batch, offset: int) -> Batch:
    return Batch(
        batch.tokens, batch.lengths, batch.samples + offset, batch.epoch, batch.soft_masked
    )


def _joined(found: list[tuple[NDArray[np.int64], Batch]], size: int, pad: int) -> Batch:
    """Return one batch of several, given the rows that each has in it."""
    width = max((part.tokens.shape[1] for _, part in found), default=0)
    tokens = np.full((size, width), pad, dtype=np.int64)
    lengths, samples, epoch = (np.empty(size, dtype=np.int64) for _ in range(3))
    masked = None
    if all(part.soft_masked is not None for _, part in found):
        masked = np.zeros((size, width), dtype=np.float32)
    for rows, part in found:
        used = part.tokens.shape[1]
        tokens[rows, :used] = part.tokens
        lengths[rows], samples[rows], epoch[rows] = part.lengths, part.samples, part.epoch
        if masked is not None and part.soft_masked is not None:
            masked[rows, :used] = part.soft_masked
    return Batch(tokens, lengths, samples, epoch, masked)
