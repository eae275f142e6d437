"""What the readers of VCF and BCF hand on: batches of sites with the calls of chosen samples."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, some

ABSENT = -1
"""The second haplotype of a haploid call."""
MISSING = -2
"""An allele that was not called: a dot."""
INVALID = -3
"""Not a genotype of one or two alleles."""

FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")


class Site(NamedTuple):
    """One record, without its calls.

    Attributes
    ----------
    contig
        Name as it stands in the file.
    position
        Of the first reference base, 0-based.
    reference, alternatives
        Alleles in upper case, as they stand in the file.
    """

    contig: str
    position: int
    reference: bytes
    alternatives: tuple[bytes, ...]

    def __str__(self) -> str:
        return f"record {self.contig}:{self.position + 1}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records.

    Attributes
    ----------
    calls
        Allele of each haplotype: 0 reference, n the n-th alternative, or one of `ABSENT`,
        `MISSING` and `INVALID`; shape (records, samples, 2).
    phased
        Whether the order of the two alleles means anything; shape (records, samples).
    genotype
        Gives the genotype of (record, sample) as text, for messages.
    """

    sites: list[Site]
    calls: NDArray[np.int16]
    phased: NDArray[np.bool_]
    genotype: Callable[[int, int], str]


class Reader(Protocol):
    """An open variant file."""

    path: Path
    samples: list[str]

    def batches(self, columns: Sequence[int]) -> Iterator[Batch]:
        """Yield all records with the calls of the samples of these numbers."""


def sample_names(line: str, path: Path) -> list[str]:
    """Return the samples named by a ``#CHROM`` line.

    Raises
    ------
    InputError
        If the fixed columns differ, there is no sample, or a sample stands twice.
    """
    columns = line.split("\t")
    if tuple(columns[: len(FIXED)]) != FIXED[: len(columns)] or len(columns) < len(FIXED) - 1:
        raise InputError(
            f"the columns are {some(columns[: len(FIXED)], 9)}",
            path=path,
            where="line #CHROM",
            expected=" ".join(FIXED) + " and samples, separated by tabs",
            remedy="give the VCF file as it was published",
        )
    samples = columns[len(FIXED) :]
    if not samples or samples == [""]:
        raise InputError(
            "the file has no samples: it lists sites only",
            path=path,
            expected="genotypes of at least one sample",
            remedy="give the file with genotypes (FORMAT and sample columns)",
        )
    if len(set(samples)) < len(samples):
        twice = [name for name, count in Counter(samples).items() if count > 1]
        raise InputError(
            f"samples stand twice in the header: {some(twice)}",
            path=path,
            where="line #CHROM",
            remedy="rename them with `bcftools reheader --samples`",
        )
    return samples


def choose_samples(names: Sequence[str], wanted: Sequence[str], path: Path) -> list[int]:
    """Return the numbers of the wanted samples, in the order in which they are wanted.

    Raises
    ------
    InputError
        If a sample is not in the file.
    """
    numbers = {name: number for number, name in enumerate(names)}
    unknown = [name for name in wanted if name not in numbers]
    if unknown:
        more = f" (and {len(unknown) - 1:,} more of those wanted)" if len(unknown) > 1 else ""
        raise InputError(
            f"there is no sample {unknown[0]!r}{more}; "
            f"the nearest names are {nearest(unknown[0], names)}",
            path=path,
            remedy="use names of the header; `bcftools query --list-samples` shows them",
        )
    return [numbers[name] for name in wanted]
