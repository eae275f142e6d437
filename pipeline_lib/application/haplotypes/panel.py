"""Haplotypes over the sites of a panel: alleles 0 and 1, names, and what the alleles are."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.randomness import named_generator

Alleles = NDArray[np.uint8]
SITE_COLUMNS = ("id", "contig", "position", "a0", "a1")
SPLITS = ("train", "valid", "test")
_ENDINGS = ("_A", "_B", "_1", "_2", "_0")


@dataclass(frozen=True, eq=False)
class Panel:
    """Haplotypes over the same sites.

    Attributes
    ----------
    alleles
        0 or 1; shape (haplotypes, sites).
    names
        Of the haplotypes: ``HG00096_A`` and ``HG00096_B`` belong to one individual.
    sites
        One row a site, in order: id, contig, position (from 1), a0 and a1.
    label
        First column of a `.hapt` file: ``Real``, or ``AG`` of artificial genomes.
    """

    alleles: Alleles
    names: list[str]
    sites: pd.DataFrame
    label: str = "Real"

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.sites))
        if self.alleles.shape != shape:
            raise ValueError(f"alleles of shape {self.alleles.shape} for {shape}")

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: NDArray[np.int64]) -> "Panel":
        """Return some of the haplotypes."""
        names = [self.names[row] for row in rows.tolist()]
        return replace(self, alleles=self.alleles[rows], names=names)


def individual(name: str) -> str:
    """Return whose haplotype it is by its name.

    >>> individual("HG00096_A"), individual("AG12")
    ('HG00096', 'AG12')
    """
    return name[:-2] if name.endswith(_ENDINGS) and len(name) > 2 else name


def individuals(names: list[str]) -> NDArray[np.int64]:
    """Return the number of the individual of each haplotype, in the order of appearance."""
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(individual(name), len(numbers)) for name in names]
    return np.array(found, dtype=np.int64)


def split_individuals(
    names: list[str], *, valid: float, test: float, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split; the haplotypes of an individual are in one of them.

    The split depends on the names and the seed alone, so that it is the same wherever it is made.

    Raises
    ------
    InputError
        If there are too few individuals for three splits.
    """
    member = individuals(names)
    count = int(member.max(initial=-1)) + 1
    sizes = {"valid": round(count * valid), "test": round(count * test)}
    if min(sizes.values()) < 1 or count - sum(sizes.values()) < 2:
        raise InputError(
            f"{count:,} individuals cannot be split by shares of {valid} and {test}",
            expected="at least 1 individual to validate on, 1 to test on and 2 to train on",
            remedy="give more haplotypes, or other shares with `--valid` and `--test`",
        )
    order = named_generator(seed, "haplotypes", "split").permutation(count)
    of = np.zeros(count, dtype=np.int64)
    of[order[: sizes["valid"]]] = 1
    of[order[sizes["valid"] : sizes["valid"] + sizes["test"]]] = 2
    return {name: np.flatnonzero(of[member] == number) for number, name in enumerate(SPLITS)}


def unknown_sites(count: int) -> pd.DataFrame:
    """Return sites of which nothing but their number is known."""
    numbers = np.arange(1, count + 1)
    return pd.DataFrame(
        {
            "id": [f"site{number}" for number in numbers],
            "contig": "1",
            "position": numbers,
            "a0": "A",
            "a1": "C",
        }
    )


def same_sites(panel: Panel, other: Panel, path: Path) -> None:
    """Refuse haplotypes over other sites than those of a panel.

    Raises
    ------
    InputError
        Naming the first site that differs.
    """
    if panel.alleles.shape[1] != other.alleles.shape[1]:
        raise InputError(
            f"has {other.alleles.shape[1]:,} sites, the real haplotypes {panel.alleles.shape[1]:,}",
            path=path,
            expected="the same sites in the same order",
            remedy="compare haplotypes that were made from one panel",
        )
    keys = ["position", "a0", "a1"]
    ours, theirs = panel.sites[keys].astype(str), other.sites[keys].astype(str)
    wrong = np.flatnonzero((ours.to_numpy() != theirs.to_numpy()).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"site {row + 1:,} is {' '.join(theirs.iloc[row])}, in the real haplotypes "
            f"{' '.join(ours.iloc[row])}",
            path=path,
            expected="the same sites in the same order",
            remedy="compare haplotypes that were made from one panel",
        )
