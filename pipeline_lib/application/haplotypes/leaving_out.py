"""Statistics without each group of individuals in turn, and what intervals follow (jackknife)."""

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes import measures
from pipeline_lib.application.haplotypes.panel import Alleles

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
GROUPS = 20
"""Groups of individuals, each of which is left out once (jackknife)."""
_FEWEST = 10  # pairs of sites in a bin of distances
_NORMAL = 1.96  # of a normal distribution, 95 % lie within so many standard errors


def linkages(alleles: Alleles, groups: Rows) -> Array:
    """Return r2 of all pairs of sites without each group, and of all; (groups + 1, pairs)."""
    upper = np.triu_indices(alleles.shape[1], 1)
    whole = _products(alleles)
    sums, found = alleles.sum(axis=0, dtype=np.int64), []
    for group in range(GROUPS):
        rows = alleles[groups == group]
        left = max(len(alleles) - len(rows), 1)
        shares = (sums - rows.sum(axis=0, dtype=np.int64)) / left
        found.append(measures.linkage((whole - _products(rows)) / left, shares)[upper])
    all_pairs = measures.linkage(whole / len(alleles), sums / len(alleles))[upper]
    return np.stack([*found, all_pairs])


def _products(alleles: Alleles) -> Array:
    values = alleles.astype(np.float32)  # sums are exact up to 16 million haplotypes
    return np.asarray(values.T @ values, dtype=np.float64)


def binned(values: Array, bins: Rows, count: int) -> Array:
    """Return the mean of each bin, NaN where there are few pairs."""
    known = (bins >= 0) & ~np.isnan(values)
    sizes = np.bincount(bins[known], minlength=count)
    sums = np.bincount(bins[known], weights=values[known], minlength=count)
    return np.where(sizes >= _FEWEST, sums / np.maximum(sizes, 1), np.nan)


def shares_without(alleles: Alleles, groups: Rows) -> list[Array]:
    """Return allele frequencies without each group."""
    sums = alleles.sum(axis=0, dtype=np.int64)
    found = []
    for group in range(GROUPS):
        rows = alleles[groups == group]
        left = (sums - rows.sum(axis=0, dtype=np.int64)) / max(len(alleles) - len(rows), 1)
        found.append(left)
    return found


def heterozygosity(shares: Array) -> float:
    """Return the mean number of sites at which two haplotypes drawn at random differ."""
    return float(2 * (shares * (1 - shares)).sum())


def standard_error(*left_out: Array) -> float:
    """Return the standard error from statistics without each group of either set (jackknife)."""
    variances = [
        (len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()
        for values in left_out
    ]
    return float(np.sqrt(sum(variances)))


def interval(value: float, error: float) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a standard error."""
    return value - _NORMAL * error, value + _NORMAL * error
