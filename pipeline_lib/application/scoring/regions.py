"""Scores of variants summed up over regions or genes of a BED file."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.fasta import Sequences
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path
from pipeline_lib.genome.source import read_lines

Array = NDArray[np.float64]
Region = tuple[str, str | None, int, int, str]
"""Contig as given and as the genome names it, start, end and name."""


class RegionTable:
    """Regions, and what is known of the variants whose position lies in each.

    Parameters
    ----------
    path
        BED, plain or gzip; None: whole contigs.
    genome
        Whose contigs the regions lie on, by whatever name.

    Raises
    ------
    InputError
        If a line is malformed, or no region lies on a contig of the genome.
    """

    def __init__(self, path: Path | None, genome: Sequences) -> None:
        rows = _whole(genome) if path is None else _read(path, genome)
        columns = ["contig", "known", "start", "end", "name"]
        self.table = pd.DataFrame(rows, columns=columns)
        if not self.table["known"].notna().any():
            raise InputError(
                "no region lies on a contig of the genome",
                path=path,
                expected=f"contigs such as {', '.join(list(genome.contigs)[:3])}",
                remedy="give regions of this assembly",
            )
        self._places = {
            str(contig): (own.index.to_numpy(), own["start"].to_numpy(), own["end"].to_numpy())
            for contig, own in self.table.groupby("known")
        }
        size = len(self.table)
        self.variants, self.scored = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.sums, self.largest = np.zeros(size), np.full(size, np.nan)
        self.best = np.full(size, ".", dtype=object)

    def add(self, contig: str, positions: NDArray[np.int64], names: list[str], size: Array) -> None:
        """Add alleles of one contig.

        Parameters
        ----------
        contig
            The genome's name of it.
        positions
            From 0, sorted.
        names
            Of the alleles, such as ``20:1000:A:G``.
        size
            Of the score, at least 0; NaN where there is none.
        """
        if contig not in self._places or not len(positions):
            return
        rows, starts, ends = self._places[contig]
        first, last = np.searchsorted(positions, starts), np.searchsorted(positions, ends)
        for row, low, high in zip(rows, first, last, strict=True):
            if low == high:
                continue
            own = size[low:high]
            known = ~np.isnan(own)
            self.variants[row] += high - low
            self.scored[row] += known.sum()
            if not known.any():
                continue
            self.sums[row] += own[known].sum()
            at = int(np.nanargmax(own))
            if not own[at] <= self.largest[row]:
                self.largest[row], self.best[row] = own[at], names[low + at]

    def write(self, path: Path) -> None:
        """Write the table as TSV."""
        found = self.table[["contig", "start", "end", "name"]].assign(
            variants=self.variants,
            scored=self.scored,
            max_score=self.largest,
            mean_score=self.sums / np.where(self.scored > 0, self.scored, np.nan),
            max_variant=self.best,
        )
        with atomic_path(path) as temporary:
            found.to_csv(temporary, sep="\t", index=False, float_format="%.6g", na_rep=".")


def _whole(genome: Sequences) -> list[Region]:
    return [(name, name, 0, length, name) for name, length in genome.contigs.items()]


def _read(path: Path, genome: Sequences) -> list[Region]:
    rows: list[Region] = []
    for number, line in read_lines(path, "regions"):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            raise InputError(
                f"the line is {line[:60]!r}",
                path=path,
                where=f"line {number:,}",
                expected="contig, start and end, parted by tabs",
                remedy="correct the line",
            )
        name = fields[3] if len(fields) > 3 else "."
        rows.append((fields[0], genome.resolve(fields[0]), int(fields[1]), int(fields[2]), name))
    return rows
