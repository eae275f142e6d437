"""Samplers that any model of haplotypes has to beat: independent sites, and Markov chains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes.panel import Alleles

ORDERS = (0, 1, 2, 3, 4, 6, 8, 10, 12)
_SOFTENING = 2.0  # haplotypes that the chain of one order less counts for


@dataclass(frozen=True, eq=False)
class MarkovChain:
    """The chance of each allele given those at the ``order`` sites before it.

    Attributes
    ----------
    order
        0 for independent sites.
    chances
        Of allele 1 after each pattern of earlier alleles, the nearest of which is the lowest
        bit; (sites, 2 ** order).
    """

    order: int
    chances: NDArray[np.float64]

    @classmethod
    def fit(cls, alleles: Alleles, order: int) -> "MarkovChain":
        """Count alleles after patterns; rare patterns lean on those of one site less."""
        sites = alleles.shape[1]
        chances = np.empty((sites, 1 << order))
        for site in range(sites):
            found = np.array([(alleles[:, site].sum() + 0.5) / (len(alleles) + 1)])
            pattern = np.zeros(len(alleles), dtype=np.int64)
            for back in range(1, min(order, site) + 1):
                pattern |= alleles[:, site - back].astype(np.int64) << (back - 1)
                size = 1 << back
                seen = np.bincount(pattern, minlength=size)
                ones = np.bincount(pattern, weights=alleles[:, site], minlength=size)
                found = (ones + _SOFTENING * np.tile(found, 2)) / (seen + _SOFTENING)
            chances[site] = np.tile(found, (1 << order) // len(found))
        return cls(order, chances)

    def bits(self, alleles: Alleles) -> float:
        """Return the mean log-loss, in bits per allele."""
        pattern = np.zeros(len(alleles), dtype=np.int64)
        total = 0.0
        for site, column in enumerate(alleles.T):
            chance = self.chances[site, pattern]
            chance = np.clip(chance, 1e-12, 1 - 1e-12)  # of sites that are fixed
            total -= np.log2(np.where(column == 1, chance, 1 - chance)).sum()
            pattern = self._next(pattern, column)
        return float(total / alleles.size)

    def draw(self, count: int, generator: np.random.Generator) -> Alleles:
        """Draw haplotypes; (count, sites)."""
        drawn = np.empty((count, len(self.chances)), dtype=np.uint8)
        pattern = np.zeros(count, dtype=np.int64)
        for site, chances in enumerate(self.chances):
            drawn[:, site] = generator.random(count) < chances[pattern]
            pattern = self._next(pattern, drawn[:, site])
        return drawn

    def _next(self, pattern: NDArray[np.int64], column: Alleles) -> NDArray[np.int64]:
        return (pattern << 1 | column.astype(np.int64)) & ((1 << self.order) - 1)


def best_chain(train: Alleles, valid: Alleles) -> MarkovChain:
    """Return the chain of the order that predicts the haplotypes to validate on best."""
    chains = [MarkovChain.fit(train, order) for order in ORDERS if order]
    return min(chains, key=lambda chain: chain.bits(valid))
