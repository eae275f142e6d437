"""The sequence of a haplotype: a window of the reference with the calls of the haplotype applied.

A border is a place between two bases; border ``b`` lies before base ``b``. Of a record at ``p``
with ``r`` reference and ``a`` alternative bases, the border ``p + i`` corresponds to the i-th
border of the alternative (the last one if it is shorter), and ``p + r`` to its end: what is
inserted belongs to the last reference base of its record. So windows that join in the reference
join in every haplotype, without a base lost or doubled.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline_lib.corpus.haplotypes.store import REMEDY, ContigReader, Rows
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.genome.names import nearest

WINDOWS_KEPT = 4
GROUPS_KEPT = 8


class Haplotypes:
    """A store of haplotypes, as :func:`pipeline_lib.corpus.haplotypes.vcf.build_store` writes it.

    Objects may be pickled and used after a fork: files are opened when they are needed.

    Attributes
    ----------
    samples
        Names, in the order of the sample numbers used below.
    contigs
        Length in bases of the contigs of the genome, by name.

    Raises
    ------
    InputError
        If the folder is not such a store.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        try:
            stats = read_json(self.directory / "stats.json")
            self.samples: list[str] = list(stats["samples"])
            self._files: dict[str, str] = dict(stats["files"])
            self.contigs: dict[str, int] = dict(stats["contigs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"this is no store of haplotypes ({type(error).__name__}: {error})",
                path=self.directory,
                expected="stats.json and a Parquet file per contig",
                remedy=REMEDY,
            ) from error
        self._reader = functools.lru_cache(2)(self._open)
        self._group = functools.lru_cache(GROUPS_KEPT)(self._read)
        self._window = functools.lru_cache(WINDOWS_KEPT)(self._make_window)

    def window(self, contig: str, start: int, end: int) -> "Window":
        """Return the variants that touch bases ``start`` to ``end`` (half-open) of a contig.

        The last few windows are kept.

        Raises
        ------
        InputError
            If there is no such contig, or the interval does not lie inside it.
        """
        if contig not in self.contigs:
            raise InputError(
                f"contig {contig!r} is not in the genome of the store; "
                f"the nearest names are {nearest(contig, self.contigs)}",
                path=self.directory,
                remedy="use a name of the genome's contigs.tsv",
            )
        if not 0 <= start <= end <= self.contigs[contig]:
            raise InputError(
                f"the interval [{start:,}, {end:,}) does not lie inside the contig",
                path=self.directory,
                where=f"contig {contig!r}",
                expected=f"0 <= start <= end <= {self.contigs[contig]:,}",
                remedy="check that the coordinates belong to this assembly version",
            )
        return self._window(contig, start, end)

    def __reduce__(self) -> tuple[Any, ...]:
        return Haplotypes, (self.directory,)

    def _make_window(self, contig: str, start: int, end: int) -> "Window":
        haplotypes = 2 * len(self.samples)
        groups = self._groups(contig, start, end) if contig in self._files else []
        parts, before = [], np.zeros(haplotypes, dtype=np.bool_)
        for rows in groups:
            touching = np.flatnonzero((rows.starts < end) & (rows.ends > start))
            parts.append(rows.take(touching))
            if earlier := int(np.searchsorted(rows.starts, start)):
                before = rows.calls[earlier - 1] < 0
        return Window(start, end, Rows.join(parts, haplotypes), before)

    def _groups(self, contig: str, start: int, end: int) -> Iterator[Rows]:
        """Yield the groups with records in the window, and the last one that begins before it."""
        reader = self._reader(contig)
        last = int(np.searchsorted(reader.firsts, start)) - 1
        wanted = (reader.firsts < end) & (reader.reaches > start)
        if last >= 0:
            wanted[last] = True
        for group in np.flatnonzero(wanted).tolist():
            yield self._group(contig, group)

    def _open(self, contig: str) -> ContigReader:
        return ContigReader(self.directory / self._files[contig], 2 * len(self.samples))

    def _read(self, contig: str, group: int) -> Rows:
        return self._reader(contig).read(group)


class Window:
    """The variants of all samples in an interval of a contig; samples and haplotypes from 0.

    Parameters
    ----------
    start, end
        The interval on the reference, half-open.
    rows
        Records that share a base with it.
    absent_before
        Which haplotypes were absent in the last record before; shape (2 * samples,).
    """

    def __init__(self, start: int, end: int, rows: Rows, absent_before: NDArray[np.bool_]) -> None:
        self.start, self.end = start, end
        self._rows = rows
        self._counts = (rows.calls > 0).sum(axis=0)
        absent = (rows.calls < 0).any(axis=0) if len(rows.starts) else absent_before
        self._absent = np.asarray(absent)

    def consensus(
        self, reference: bytes, sample: int, haplotype: int
    ) -> "tuple[bytes, Boundaries]":
        """Return the sequence of a haplotype, and where the borders of the reference lie in it.

        Parameters
        ----------
        reference
            The reference bases of the window. Their case is kept; applied alleles are upper case.
        sample, haplotype
            Number of the sample in ``Haplotypes.samples``; 0 or 1.
        """
        if len(reference) != self.end - self.start:
            raise ValueError(f"{len(reference)} bases for the window {self.start}-{self.end}")
        calls = self._rows.calls[:, self._column(sample, haplotype)]
        applied = np.flatnonzero(calls > 0)
        starts, ends = self._rows.starts[applied].copy(), self._rows.ends[applied]
        alleles = [
            self._rows.alleles[row][call - 1]
            for row, call in zip(applied.tolist(), calls[applied].tolist(), strict=True)
        ]
        # A record that begins on the last base of the one before keeps that base: it goes.
        for row in (np.flatnonzero(starts[1:] < ends[:-1]) + 1).tolist():
            starts[row] += 1
            alleles[row] = alleles[row][1:]
        lengths = np.array([len(allele) for allele in alleles], dtype=np.int64)
        sequence = _write(reference, self.start, starts.tolist(), ends.tolist(), alleles)
        return sequence, Boundaries(self.start, self.end, starts, ends, lengths)

    def count(self, sample: int, haplotype: int) -> int:
        """Return how many variants of the window the haplotype carries."""
        return int(self._counts[self._column(sample, haplotype)])

    def absent(self, sample: int, haplotype: int) -> bool:
        """Tell whether the haplotype is absent anywhere in the window: a haploid stretch."""
        return bool(self._absent[self._column(sample, haplotype)])

    def differs(self, sample: int | None = None) -> bool:
        """Tell whether any haplotype differs from the reference.

        With a sample, tell whether its two haplotypes carry different variants.
        """
        if sample is None:
            return bool(self._counts.any())
        first, second = self._column(sample, 0), self._column(sample, 1)
        return bool((self._rows.calls[:, first] != self._rows.calls[:, second]).any())

    def _column(self, sample: int, haplotype: int) -> int:
        if not (0 <= sample < len(self._counts) // 2 and haplotype in (0, 1)):
            raise IndexError(f"no haplotype {haplotype} of sample {sample}")
        return 2 * sample + haplotype


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Where the borders of a reference window lie in the sequence of a haplotype.

    Attributes
    ----------
    start, end
        The window.
    starts, ends, lengths
        Reference interval of each applied variant, and length of its allele; shape (variants,).
    """

    start: int
    end: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def __call__(self, borders: ArrayLike) -> NDArray[np.int64]:
        """Return the place of reference borders, from the start of the haplotype's window.

        Parameters
        ----------
        borders
            Between ``start`` and ``end`` of the window, both included; any shape.
        """
        wanted = np.asarray(borders, dtype=np.int64)
        if ((wanted < self.start) | (wanted > self.end)).any():
            raise ValueError(f"borders outside of the window {self.start}-{self.end}")
        return np.asarray(self._lift(wanted) - self._lift(np.asarray(self.start)))

    def _lift(self, borders: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return places in the haplotype that equal the reference's before the first variant."""
        if not len(self.starts):
            return borders
        shifts = np.concatenate([[0], np.cumsum(self.lengths - (self.ends - self.starts))])
        last = np.searchsorted(self.starts, borders, side="right")
        variant = np.maximum(last - 1, 0)
        offset = borders - self.starts[variant]
        inside = (last > 0) & (borders < self.ends[variant])
        within = self.starts[variant] + shifts[variant] + np.minimum(offset, self.lengths[variant])
        return np.asarray(np.where(inside, within, borders + shifts[last]))


def _write(
    reference: bytes, start: int, starts: list[int], ends: list[int], alleles: list[bytes]
) -> bytes:
    """Put alleles into the reference, which begins at ``start``; alleles may stick out."""
    pieces, done, end = [], start, start + len(reference)
    for left, right, allele in zip(starts, ends, alleles, strict=True):
        pieces.append(reference[max(done - start, 0) : max(left - start, 0)])
        stop = end - left if right > end else len(allele)
        pieces.append(allele[max(start - left, 0) : max(stop, 0)])
        done = right
    pieces.append(reference[max(done - start, 0) :])
    return b"".join(pieces)
