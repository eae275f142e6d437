"""One set of artificial haplotypes beside real ones: every measure, with intervals."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes import measures
from pipeline_lib.application.haplotypes.leaving_out import (
    GROUPS,
    binned,
    heterozygosity,
    linkages,
    shares_without,
    standard_error,
)
from pipeline_lib.application.haplotypes.panel import Alleles
from pipeline_lib.application.parts import Arrays
from pipeline_lib.randomness import named_generator

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
MOST_SITES = 2_000
"""Of more sites, so many drawn by lot are used where all pairs are compared."""
_TRIPLETS, _BINS, _REPEATS = 1_000, 20, 8


@dataclass(frozen=True, eq=False)
class Reference:
    """Real haplotypes, and what is found in them once.

    Attributes
    ----------
    alleles
        (haplotypes, sites).
    groups
        Group of each haplotype, one for an individual, 0 to `GROUPS` - 1; (haplotypes,).
    sites
        Of the panel: contig and position.
    train, test
        Haplotypes that models were and were not trained on; none: no privacy score.
    seed
        Of subsets and triplets.
    """

    alleles: Alleles
    groups: Rows
    sites: pd.DataFrame
    train: Alleles | None
    test: Alleles | None
    seed: int

    @cached_property
    def shares(self) -> Array:
        """Allele frequencies."""
        return np.asarray(self.alleles.mean(axis=0))

    @cached_property
    def chosen(self) -> Rows:
        """Sites whose pairs are compared."""
        count = self.alleles.shape[1]
        if count <= MOST_SITES:
            return np.arange(count)
        drawn = named_generator(self.seed, "haplotypes", "sites").permutation(count)
        return np.sort(drawn[:MOST_SITES])

    @cached_property
    def linkages(self) -> Array:
        """r2 of pairs of the chosen sites, without each group and of all; (groups + 1, pairs)."""
        return linkages(self.alleles[:, self.chosen], self.groups)

    @cached_property
    def distances(self) -> measures.Distances:
        """Of real haplotypes from each other."""
        return measures.distances(self.alleles)

    @cached_property
    def components(self) -> measures.Components:
        """Principal components."""
        return measures.Components.of(self.alleles)

    @cached_property
    def bins(self) -> tuple[Rows, Array]:
        """Bin of each pair by its distance, -1 across contigs, and the middle of each bin."""
        sites = self.sites.iloc[self.chosen]
        first, second = np.triu_indices(len(sites), 1)
        contig, position = pd.factorize(sites["contig"])[0], sites["position"].to_numpy()
        apart = np.abs(position[second] - position[first])
        together = (contig[first] == contig[second]) & (apart > 0)
        if not together.any():
            return np.full(len(first), -1), np.zeros(0)
        edges = np.geomspace(apart[together].min(), apart[together].max() + 1, _BINS + 1)
        bins = np.where(together, np.digitize(apart, edges[1:-1]), -1)
        return bins, np.sqrt(edges[1:] * edges[:-1])


def compare(reference: Reference, alleles: Alleles, groups: Rows | None = None) -> Arrays:
    """Return every measure of artificial haplotypes, and the curves of the figures.

    Parameters
    ----------
    alleles
        (haplotypes, sites).
    groups
        As of :class:`Reference`; by default every 20th haplotype is of one group.

    Returns
    -------
    dict
        Single numbers, of some also ``NAME_error``, the standard error; and ``frequencies``,
        ``decay``, ``pairs`` (distances), ``points`` (principal components), ``triple``.
    """
    if groups is None:
        groups = np.arange(len(alleles)) // 2 % GROUPS
    found: dict[str, NDArray[np.generic] | float | int] = {"haplotypes": len(alleles)}
    found |= _frequencies(reference, alleles, groups)
    found |= _linkage(reference, alleles, groups)
    found |= _pairs(reference, alleles)
    found |= _nearest(reference, alleles)
    found |= _points(reference, alleles)
    found |= _triple(reference, alleles)
    found["repeated"] = measures.repeated(alleles)
    known = reference.alleles if reference.train is None else reference.train
    found["copies"] = measures.copies(alleles, known)
    found["copies_of_any"] = measures.copies(alleles, reference.alleles)
    return {name: np.asarray(value) for name, value in found.items()}


def _frequencies(real: Reference, alleles: Alleles, groups: Rows) -> Arrays:
    ours, theirs = alleles.mean(axis=0), real.shares
    left_out = shares_without(alleles, groups), shares_without(real.alleles, real.groups)

    def both(statistic: str, one: Array, other: Array) -> float:
        if statistic == "r":
            return measures.correlation(one, other)
        return float(np.abs(one - other).mean())

    found: dict[str, object] = {"frequencies": ours}
    for name, kind in (("af_r", "r"), ("af_mae", "mae")):
        found[name] = both(kind, ours, theirs)
        resampled = [[both(kind, shares, theirs) for shares in left_out[0]],
                     [both(kind, ours, shares) for shares in left_out[1]]]  # fmt: skip
        found[f"{name}_error"] = standard_error(*map(np.array, resampled))
    return {name: np.asarray(value) for name, value in found.items()}


def _linkage(real: Reference, alleles: Alleles, groups: Rows) -> Arrays:
    ours, theirs = linkages(alleles[:, real.chosen], groups), real.linkages
    bins, middles = real.bins
    curves = [binned(one[-1], bins, len(middles)) for one in (ours, theirs)]
    known = ~np.isnan(curves[0] - curves[1])
    apart = (curves[0] - curves[1])[known]
    resampled = [[measures.correlation(part, theirs[-1]) for part in ours[:-1]],
                 [measures.correlation(ours[-1], part) for part in theirs[:-1]]]  # fmt: skip
    return {
        "ld_r": np.asarray(measures.correlation(ours[-1], theirs[-1])),
        "ld_r_error": np.asarray(standard_error(*map(np.array, resampled))),
        "decay": curves[0],
        "decay_rmse": np.asarray(np.sqrt(np.mean(apart**2)) if len(apart) else np.nan),
    }


def _pairs(real: Reference, alleles: Alleles) -> Arrays:
    within, across = measures.distances(alleles), measures.distances(real.alleles, alleles)
    resampled = [
        heterozygosity(shares)
        for shares in shares_without(alleles, np.arange(len(alleles)) // 2 % GROUPS)
    ]
    return {
        "pairs": within.counts,
        "distance": np.asarray(measures.mean_distance(within.counts)),
        "distance_error": np.asarray(standard_error(np.array(resampled))),
        "distance_across": np.asarray(measures.mean_distance(across.counts)),
        "distance_w1": np.asarray(
            measures.wasserstein_counts(within.counts, real.distances.counts)
        ),
        "distance_across_w1": np.asarray(
            measures.wasserstein_counts(across.counts, real.distances.counts)
        ),
    }


def _nearest(real: Reference, alleles: Alleles) -> Arrays:
    generator = named_generator(real.seed, "haplotypes", "nearest")
    count = min(len(real.alleles), len(alleles))
    truth, synthetic = measures.adversarial(
        _some(real.alleles, count, generator), _some(alleles, count, generator)
    )
    found = {"aa_truth": truth.mean(), "aa_syn": synthetic.mean()}
    found["aats"] = (found["aa_truth"] + found["aa_syn"]) / 2
    errors = {"aa_truth": truth.std() / count**0.5, "aa_syn": synthetic.std() / count**0.5}
    errors["aats"] = float(np.hypot(errors["aa_truth"], errors["aa_syn"])) / 2
    found |= {f"{name}_error": value for name, value in errors.items()}
    found["privacy"] = np.nan
    if real.train is not None and real.test is not None:
        found |= _privacy(real.train, real.test, alleles, generator)
    return {name: np.asarray(value) for name, value in found.items()}


def _privacy(
    train: Alleles, test: Alleles, alleles: Alleles, generator: np.random.Generator
) -> dict[str, float]:
    """Return AATS of haplotypes to test on, less that of as many to train on."""
    count = min(len(train), len(test), len(alleles))
    differences = []
    for _ in range(_REPEATS):
        drawn = _some(alleles, count, generator)
        scores = [
            np.mean(measures.adversarial(_some(real, count, generator), drawn))
            for real in (test, train)
        ]
        differences.append(scores[0] - scores[1])
    error = float(np.std(differences, ddof=1) / len(differences) ** 0.5)
    return {"privacy": float(np.mean(differences)), "privacy_error": error}


def _points(real: Reference, alleles: Alleles) -> Arrays:
    theirs, ours = (real.components.project(one) for one in (real.alleles, alleles))
    found: Arrays = {"points": ours.astype(np.float32)}
    for number in range(theirs.shape[1]):
        apart = measures.wasserstein(ours[:, number], theirs[:, number])
        found[f"pc{number + 1}_w1"] = np.asarray(apart)
    return found


def _triple(real: Reference, alleles: Alleles) -> Arrays:
    """Return the correlation of third moments at every gap, and of triplets anywhere."""
    sites = alleles.shape[1]
    generator = named_generator(real.seed, "haplotypes", "triplets")
    found = []
    for gap in (*measures.GAPS, None):
        if sites < 3 or (gap is not None and sites <= 2 * gap):
            found.append(np.nan)
            continue
        places = measures.triplets(sites, gap, _TRIPLETS, generator)
        moments = (measures.third_moments(one, places) for one in (alleles, real.alleles))
        found.append(measures.correlation(*moments))
    return {"triple": np.array(found), "triple_r": np.asarray(found[-1])}


def _some(alleles: Alleles, count: int, generator: np.random.Generator) -> Alleles:
    return alleles[generator.permutation(len(alleles))[:count]]
