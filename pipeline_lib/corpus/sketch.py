"""The distinct canonical 31-mers of some sequences, as a table that says which it holds."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import numpy as np

from pipeline_lib.corpus import kmers
from pipeline_lib.corpus.holdouts import HeldOut
from pipeline_lib.corpus.kmers import Hashes, K, Letters, Positions
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals

BLOCK = 1 << 16  # bases looked at at once: what that needs fits in the cache

_PIECE = 1 << 22  # bases fetched at once


class Sketch:
    """The distinct canonical 31-mers of some sequences, or a sample of them.

    A k-mer takes 8 bytes, and 3 to 6 bytes of index: 300 million of them take 4 GB.

    Parameters
    ----------
    hashes
        Scrambled canonical k-mers, sorted and distinct; shape (k-mers,).
    scale
        One in this many k-mers is sampled: those with the smallest hashes. 1 takes all.
    """

    def __init__(self, hashes: Hashes, *, scale: int = 1) -> None:
        self.hashes, self.scale, self.limit = hashes, scale, _limit(scale)
        bits = max((len(hashes) // 4).bit_length(), 1)
        self._shift = np.uint64(int(self.limit).bit_length() - bits)
        buckets = (int(self.limit) >> int(self._shift)) + 1
        self._starts = np.empty(buckets + 1, np.uint32)
        self._present = np.empty(buckets, np.uint64)
        kmers.index_buckets(hashes, self._shift, self._starts, self._present)

    @classmethod
    def of(cls, sequences: Iterable[bytes], *, scale: int = 1) -> Self:
        """Sample the k-mers of sequences, one of which is in memory at a time."""
        table, limit = _Table(), _limit(scale)
        for sequence in sequences:
            for _, hashes in _rolled(as_letters(sequence), limit):
                table.add(hashes)
        return cls(table.finish(), scale=scale)

    @classmethod
    def of_held_out(cls, genomes: Mapping[str, Genome], held: HeldOut, *, scale: int = 1) -> Self:
        """Sample the k-mers of all held-out intervals of all assemblies and splits."""
        return cls.of(
            (
                piece
                for places in held.values()
                for (assembly, contig), intervals in places.items()
                for piece in pieces(genomes[assembly], contig, intervals)
            ),
            scale=scale,
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, letters: Letters) -> Iterator[tuple[Positions, Positions]]:
        """Yield, block by block, the starts of sampled k-mers and their index, -1 for absent ones.

        Parameters
        ----------
        letters
            ASCII letters of either case, or codes; shape (bases,).
        """
        for places, hashes in _rolled(letters, self.limit):
            found = np.empty(len(hashes), np.int64)
            tables = (self.hashes, self._starts, self._present, self._shift)
            kmers.find(hashes, *tables, found)
            yield places, found

    def save(self, path: str | Path) -> None:
        """Write two arrays in NumPy's format, one after the other: k and scale; the hashes."""
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.save(handle, np.array([K, self.scale], np.int64))
            np.save(handle, self.hashes)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is not a whole sketch.
        """
        try:
            with Path(path).open("rb") as handle:
                k, scale = np.load(handle).tolist()
                hashes = np.load(handle)
            if k != K or scale < 1 or hashes.dtype != np.uint64:
                raise ValueError(f"k = {k}, scale = {scale}, {hashes.dtype}")
        except (OSError, EOFError, ValueError, TypeError) as error:
            raise InputError(
                f"cannot read it as a table of {K}-mers ({error})",
                path=path,
                remedy="delete it, so that it is made again",
            ) from error
        return cls(hashes, scale=scale)


def pieces(
    genome: Genome, contig: str, intervals: Intervals, *, size: int = _PIECE
) -> Iterator[bytes]:
    """Yield the sequence of intervals so that each of their 31-mers is in exactly one piece.

    Parameters
    ----------
    size
        Number of k-mers in a piece.
    """
    for start, end in zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True):
        for first in range(start, end - K + 1, size):
            yield genome.fetch(contig, first, min(first + size + K - 1, end))


def as_letters(sequence: bytes | Letters) -> Letters:
    """Return bytes as an array without copying them; arrays as they are."""
    return np.frombuffer(sequence, np.uint8) if isinstance(sequence, bytes) else sequence


class _Table:
    """Distinct integers, gathered in an array that is never much larger than it has to be."""

    def __init__(self, capacity: int = 2 * BLOCK) -> None:
        self._values, self._used = np.empty(capacity, np.uint64), 0

    def add(self, values: Hashes) -> None:
        if self._used + len(values) > len(self._values):
            self._tidy()
            if self._used + len(values) > len(self._values) // 2:
                size = 2 * max(len(self._values), len(values))
                self._values.resize(size, refcheck=False)
        self._values[self._used : self._used + len(values)] = values
        self._used += len(values)

    def finish(self) -> Hashes:
        self._tidy()
        self._values.resize(self._used, refcheck=False)
        return self._values

    def _tidy(self) -> None:
        self._values[: self._used].sort()
        self._used = kmers.distinct(self._values[: self._used])


def _limit(scale: int) -> np.uint64:
    if scale < 1:
        raise ValueError(f"scale {scale} must be at least 1")
    return np.uint64((2**64 - 1) // scale)


def _rolled(letters: Letters, limit: np.uint64) -> Iterator[tuple[Positions, Hashes]]:
    """Yield starts and hashes of the sampled k-mers, block by block."""
    for first in range(0, len(letters) - K + 1, BLOCK):
        part = letters[first : first + BLOCK + K - 1]
        places, hashes = np.empty(len(part), np.int64), np.empty(len(part), np.uint64)
        count = kmers.roll(part, limit, places, hashes)
        yield places[:count] + first, hashes[:count]
