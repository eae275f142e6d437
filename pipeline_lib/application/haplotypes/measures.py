"""How far artificial haplotypes are from real ones (Yelmen et al. 2021; 2023)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes.panel import Alleles

Array = NDArray[np.float64]
GAPS = (1, 4, 16, 64, 256, 512, 1024)
_BLOCK = 512  # haplotypes whose distances to all others are held at a time


@dataclass(frozen=True, eq=False)
class Distances:
    """Numbers of sites at which haplotypes of two sets differ.

    Attributes
    ----------
    counts
        How many pairs differ at 0, 1, ... sites; (sites + 1,).
    nearest
        Distance of each haplotype of the first set to the nearest of the second.
    nearest_other
        The same of the second set to the first.
    """

    counts: NDArray[np.int64]
    nearest: NDArray[np.int64]
    nearest_other: NDArray[np.int64]


def distances(first: Alleles, second: Alleles | None = None) -> Distances:
    """Compare all haplotypes of two sets; without a second, those of one with each other."""
    within = second is None
    other = first if second is None else second
    left, right = first.astype(np.float32), other.astype(np.float32).T
    sums, others = first.sum(axis=1, dtype=np.int64), other.sum(axis=1, dtype=np.int64)
    counts = np.zeros(first.shape[1] + 1, dtype=np.int64)
    nearest = np.empty(len(first), dtype=np.int64)
    nearest_other = np.full(len(other), first.shape[1] + 1, dtype=np.int64)
    for at in range(0, len(first), _BLOCK):
        rows = slice(at, at + _BLOCK)
        # Of alleles 0 and 1: |a - b| = a + b - 2ab; exact in float32 up to 16 million sites.
        found = (sums[rows, None] + others - 2 * (left[rows] @ right)).astype(np.int64)
        if within:
            numbers = np.arange(len(found))
            counts[0] -= len(found)  # a haplotype and itself
            counts += np.bincount(found.ravel(), minlength=len(counts))
            found[numbers, at + numbers] = first.shape[1] + 1
        else:
            counts += np.bincount(found.ravel(), minlength=len(counts))
        nearest[rows] = found.min(axis=1)
        nearest_other = np.minimum(nearest_other, found.min(axis=0))
    return Distances(counts, nearest, nearest_other)


def mean_distance(counts: NDArray[np.int64]) -> float:
    """Return the mean of a distribution of distances."""
    return float(counts @ np.arange(len(counts)) / counts.sum())


def wasserstein(first: Array, second: Array) -> float:
    """Return the Wasserstein-1 distance of two samples of numbers.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    values = np.sort(np.concatenate([first, second]))
    below = [
        np.searchsorted(np.sort(sample), values[:-1], side="right") / len(sample)
        for sample in (first, second)
    ]
    return float(np.abs(below[0] - below[1]) @ np.diff(values))


def wasserstein_counts(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the Wasserstein-1 distance of two distributions over 0, 1, 2, ..."""
    shares = [np.cumsum(counts / counts.sum()) for counts in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum())


def adversarial(real: Alleles, artificial: Alleles) -> tuple[Array, Array]:
    """Return what the nearest-neighbour adversarial accuracy is the mean of (Yale et al. 2020).

    Parameters
    ----------
    real, artificial
        As many haplotypes in each.

    Returns
    -------
    tuple
        Of each real haplotype, 1 if the nearest other real one is nearer than any artificial
        one (its mean is AAtruth); of each artificial one, 1 if the nearest other artificial one
        is nearer than any real one (AAsyn). The mean of both is AATS: 0.5 at best.
    """
    if len(real) != len(artificial):
        raise ValueError(f"{len(real)} real and {len(artificial)} artificial haplotypes")
    across = distances(real, artificial)
    truth = across.nearest > distances(real).nearest
    synthetic = across.nearest_other > distances(artificial).nearest
    return truth.astype(np.float64), synthetic.astype(np.float64)


def copies(artificial: Alleles, real: Alleles) -> int:
    """Return how many artificial haplotypes equal a real one at every site."""
    known = {row.tobytes() for row in np.packbits(real, axis=1)}
    return sum(row.tobytes() in known for row in np.packbits(artificial, axis=1))


def repeated(alleles: Alleles) -> int:
    """Return how many haplotypes equal an earlier one of their set."""
    return len(alleles) - len(np.unique(np.packbits(alleles, axis=1), axis=0))


def linkage(products: Array, shares: Array) -> Array:
    """Return r2 of all pairs of sites, NaN at fixed sites; (sites, sites).

    Parameters
    ----------
    products
        Mean product of the alleles of two sites; (sites, sites).
    shares
        Mean allele of a site; (sites,).
    """
    spread = shares * (1 - shares)
    spread = np.where(spread > 1e-12, spread, np.nan)
    both = products - shares[:, None] * shares
    return np.asarray(both**2 / (spread[:, None] * spread))


def correlation(first: Array, second: Array) -> float:
    """Return Pearson's r of the pairs that are numbers on both sides; NaN if there is none."""
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known] - first[known].mean(), second[known] - second[known].mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else float("nan")


def triplets(
    sites: int, gap: int | None, count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return places of three sites each, ``gap`` apart or anywhere; (triplets, 3)."""
    if gap is None:
        return np.sort(
            np.stack([generator.choice(sites, 3, replace=False) for _ in range(count)]), axis=1
        )
    first = generator.integers(0, sites - 2 * gap, size=count)
    return np.asarray(first[:, None] + gap * np.arange(3))


def third_moments(alleles: Alleles, places: NDArray[np.int64]) -> Array:
    """Return the third central moment of the alleles of three sites; (triplets,).

    Of sites with two alleles it says all that the frequencies of the eight combinations add to
    those of pairs: each of them has it with one sign or the other.
    """
    centred = alleles - alleles.mean(axis=0)
    found = [
        np.einsum("ni,ni,ni->i", *(centred[:, part[:, side]] for side in range(3)))
        for part in np.array_split(places, max(1, len(places) // 100))
    ]
    return np.asarray(np.concatenate(found) / len(alleles))


@dataclass(frozen=True, eq=False)
class Components:
    """The principal components of a set of haplotypes.

    Attributes
    ----------
    centre
        (sites,).
    axes
        (sites, components), each to unit variance of the haplotypes they were found in.
    """

    centre: Array
    axes: Array

    @classmethod
    def of(cls, alleles: Alleles, count: int = 4) -> "Components":
        """Find the first components."""
        centre = alleles.mean(axis=0)
        centred = (alleles - centre).astype(np.float64)
        values, vectors = np.linalg.eigh(centred.T @ centred / len(alleles))
        order = np.argsort(values)[::-1][:count]
        axes = vectors[:, order]
        # The sign of a component means nothing: the largest weight is positive, always.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        return cls(centre, axes / np.sqrt(np.maximum(values[order], 1e-12)))

    def project(self, alleles: Alleles) -> Array:
        """Return (haplotypes, components)."""
        return np.asarray((alleles - self.centre) @ self.axes)
