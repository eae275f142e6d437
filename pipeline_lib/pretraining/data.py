"""Training samples in an order that is a function of the seed and the position alone.

Sample ``k`` of the stream is found without replaying what came before: resuming needs no more
than a number. The parts of a folder of shards are shuffled for each epoch, and samples within a
few parts at a time, so that memory is bounded by the size of a part, not of the corpus.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.randomness import named_generator
from pipeline_lib.shards.reader import Shards
from pipeline_lib.tokenizer.vocabulary import Vocabulary

PARTS_AT_ONCE = 4
"""Parts whose samples are shuffled together, and held in memory: 4 x 8 MB by default."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples, padded to the longest of them.

    Attributes
    ----------
    tokens
        ``[CLS] ... [SEP] [PAD]...``; (batch, length), int64.
    lengths
        Tokens of each sample without padding; (batch,).
    samples
        Number of each sample in its folder of shards; (batch,).
    epoch
        Epoch of each sample; (batch,).
    soft_masked
        Share of lower-case bases of each token; (batch, length). None where nobody asks.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    samples: NDArray[np.int64]
    epoch: NDArray[np.int64]
    soft_masked: NDArray[np.float32] | None = None

    def rows(self, chosen: NDArray[np.int64]) -> "Batch":
        """Return some of the samples."""
        masked = None if self.soft_masked is None else self.soft_masked[chosen]
        return Batch(
            self.tokens[chosen], self.lengths[chosen], self.samples[chosen], self.epoch[chosen],
            masked,
        )  # fmt: skip


class Samples:
    """The samples of a folder of shards.

    A document is cut into as few samples as hold it, of nearly equal lengths, so that no sample
    crosses the border of a document and none is a useless scrap.

    Parameters
    ----------
    shards
        Folder of shards.
    vocabulary
        Tokens that the shards are written in.
    context_length
        Tokens of a sample, [CLS] and [SEP] included.
    seed
        Seed of the order.
    soft_masked
        Whether to read which bases are soft-masked.
    """

    def __init__(
        self,
        shards: Path,
        vocabulary: Vocabulary,
        context_length: int,
        seed: int,
        *,
        soft_masked: bool = False,
    ) -> None:
        self._shards, self._seed = Shards(shards), seed
        self._cls, self._sep, self._pad = vocabulary.cls, vocabulary.sep, vocabulary.pad
        self._room = context_length - 2
        tokens = self._shards.document_tokens
        self._pieces = -(-tokens // self._room)  # samples of each document, rounded up
        self._firsts = np.concatenate([[0], np.cumsum(self._pieces)])
        documents = [part["documents"] for part in self._shards.manifest["parts"]]
        self._part_documents = np.concatenate([[0], np.cumsum(documents)])
        self._part_samples = self._firsts[self._part_documents]
        self._group: tuple[int, int] | None = None
        self._loaded: dict[int, tuple[NDArray[np.uint16], NDArray[np.int64]]] = {}
        self._wants_masked = soft_masked
        self._masked: dict[int, NDArray[np.uint8]] = {}
        self._order = np.empty(0, dtype=np.int64)
        self._group_begin = 0
        if not len(self):
            raise InputError(
                "holds no tokens", path=shards, remedy="make it again from a larger corpus"
            )

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def vocab_size(self) -> int:
        """Size of the vocabulary that the shards were written with."""
        return int(self._shards.manifest["vocab_size"])

    def batch(self, begin: int, size: int) -> Batch:
        """Return samples ``begin`` to ``begin + size`` of the endless shuffled stream."""
        positions = np.arange(begin, begin + size)
        epochs, places = np.divmod(positions, len(self))
        numbers = [self._sample(int(e), int(k)) for e, k in zip(epochs, places, strict=True)]
        return self._collate(np.array(numbers, dtype=np.int64), epochs)

    def spread(self, count: int, size: int) -> Iterator[Batch]:
        """Yield at most ``count`` samples evenly spread over the folder, in batches."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(np.int64))
        for begin in range(0, len(chosen), size):
            numbers = chosen[begin : begin + size]
            self._load(sorted({self._part_of(int(number)) for number in numbers}))
            yield self._collate(numbers, np.zeros(len(numbers), dtype=np.int64))

    def coordinates(self, sample: int) -> dict[str, Any]:
        """Return the document that a sample is part of, and which part of how many it is."""
        document = int(np.searchsorted(self._firsts, sample, side="right")) - 1
        found = self._shards.coordinates(document)
        found["piece"] = f"{sample - self._firsts[document] + 1} of {self._pieces[document]}"
        return found

    def _sample(self, epoch: int, place: int) -> int:
        """Return the sample at a place of an epoch's order."""
        parts = named_generator(self._seed, "parts", epoch).permutation(len(self._shards.parts))
        sizes = np.diff(self._part_samples)[parts]
        groups = range(0, len(parts), PARTS_AT_ONCE)
        ends = np.cumsum([sizes[group : group + PARTS_AT_ONCE].sum() for group in groups])
        group = int(np.searchsorted(ends, place, side="right"))
        if self._group != (epoch, group):
            members = parts[group * PARTS_AT_ONCE : (group + 1) * PARTS_AT_ONCE]
            ranges = [np.arange(self._part_samples[p], self._part_samples[p + 1]) for p in members]
            shuffler = named_generator(self._seed, "samples", epoch, group)
            self._order = shuffler.permutation(np.concatenate(ranges))
            self._group, self._group_begin = (epoch, group), int(ends[group] - len(self._order))
            self._load(members.tolist())
        return int(self._order[place - self._group_begin])

    def _part_of(self, sample: int) -> int:
        return int(np.searchsorted(self._part_samples, sample, side="right")) - 1

    def _load(self, parts: list[int]) -> None:
        """Hold some parts in memory beside the current ones, and let go of older ones."""
        for part in parts:
            if part not in self._loaded:
                self._loaded[part] = self._shards.part(part)
                if self._wants_masked:
                    self._masked[part] = self._shards.soft_masked(part)
        while len(self._loaded) > 2 * PARTS_AT_ONCE:
            oldest = next(iter(self._loaded))
            del self._loaded[oldest]
            self._masked.pop(oldest, None)

    def _collate(self, numbers: NDArray[np.int64], epochs: NDArray[np.int64]) -> Batch:
        pieces, shares = [], []
        for number in numbers:
            part, begin, end = self._place(int(number))
            pieces.append(self._loaded[part][0][begin:end])
            if self._wants_masked:
                shares.append(self._masked[part][begin:end])
        lengths = np.array([len(piece) + 2 for piece in pieces], dtype=np.int64)
        tokens = np.full((len(pieces), int(lengths.max())), self._pad, dtype=np.int64)
        tokens[:, 0] = self._cls
        for row, piece in enumerate(pieces):
            tokens[row, 1 : len(piece) + 1] = piece
            tokens[row, len(piece) + 1] = self._sep
        if not self._wants_masked:
            return Batch(tokens, lengths, numbers, epochs)
        masked = np.zeros(tokens.shape, dtype=np.float32)
        for row, share in enumerate(shares):
            masked[row, 1 : len(share) + 1] = share / np.float32(255)
        return Batch(tokens, lengths, numbers, epochs, masked)

    def _place(self, sample: int) -> tuple[int, int, int]:
        """Return the part that a sample lies in, and where in its tokens, loading it if needed."""
        part = self._part_of(sample)
        if part not in self._loaded:
            self._load([part])
        begins = self._loaded[part][1]
        document = int(np.searchsorted(self._firsts, sample, side="right")) - 1
        row = document - int(self._part_documents[part])
        length = int(begins[row + 1] - begins[row])
        piece, pieces = sample - int(self._firsts[document]), int(self._pieces[document])
        left, right = piece * length // pieces, (piece + 1) * length // pieces
        return part, int(begins[row]) + left, int(begins[row]) + right
