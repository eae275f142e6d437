"""Measures against plain loops, and against the figures of the published artificial genomes."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline_lib.application.haplotypes import measures
from pipeline_lib.application.haplotypes.files import read_panel
from pipeline_lib.application.haplotypes.leaving_out import GROUPS, linkages, shares_without
from pipeline_lib.application.haplotypes.samplers import MarkovChain, best_chain

SMALL = st.integers(3, 9).flatmap(
    lambda sites: st.tuples(
        arrays(np.uint8, (6, sites), elements=st.integers(0, 1)),
        arrays(np.uint8, (6, sites), elements=st.integers(0, 1)),
    )
)


@given(SMALL)
def test_distances_and_nearest_neighbours_are_those_of_loops(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    real, artificial = pair
    between = np.array([[(a != b).sum() for b in artificial] for a in real])
    within = [[(a != b).sum() for j, b in enumerate(real) if j != i] for i, a in enumerate(real)]
    found = measures.distances(real, artificial)
    assert (found.nearest == between.min(axis=1)).all()
    assert (found.nearest_other == between.min(axis=0)).all()
    assert measures.mean_distance(found.counts) == pytest.approx(between.mean())
    own = measures.distances(real)
    assert own.counts.sum() == 30
    assert measures.mean_distance(own.counts) == pytest.approx(np.mean(within))
    truth, _ = measures.adversarial(real, artificial)
    expected = [between[i].min() > min(row) for i, row in enumerate(within)]
    assert truth.tolist() == expected
    copied = sum(any((a == b).all() for b in real) for a in artificial)
    assert measures.copies(artificial, real) == copied
    assert measures.repeated(artificial) == 6 - len({row.tobytes() for row in artificial})


@given(SMALL, st.integers(0, 99))
def test_linkage_and_third_moments_are_those_of_definitions(
    pair: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    alleles = np.concatenate(pair)
    sites = alleles.shape[1]
    found = measures.linkage(alleles.T.astype(float) @ alleles / len(alleles), alleles.mean(axis=0))
    for i, j in combinations(range(sites), 2):
        if alleles[:, i].std() and alleles[:, j].std():
            expected = np.corrcoef(alleles[:, i], alleles[:, j])[0, 1] ** 2
            assert found[i, j] == pytest.approx(expected, abs=1e-9)
        else:
            assert np.isnan(found[i, j])
    places = measures.triplets(sites, None, 5, np.random.default_rng(seed))
    for (i, j, k), moment in zip(places, measures.third_moments(alleles, places), strict=True):
        centred = alleles - alleles.mean(axis=0)
        assert moment == pytest.approx(np.mean(centred[:, i] * centred[:, j] * centred[:, k]))
        # The frequencies of the eight combinations hold the same moment.
        f = alleles.mean(axis=0)
        f3 = (alleles[:, i] & alleles[:, j] & alleles[:, k]).mean()
        pairs = sum(
            f[one] * (alleles[:, two] & alleles[:, three]).mean()
            for one, two, three in ((i, j, k), (j, i, k), (k, i, j))
        )
        assert moment == pytest.approx(f3 - pairs + 2 * f[i] * f[j] * f[k])


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=12),
    st.lists(st.integers(0, 20), min_size=1, max_size=12),
)
def test_wasserstein_of_samples_and_of_counts_agree(first: list[int], second: list[int]) -> None:
    one, other = np.array(first, float), np.array(second, float)
    # Both samples repeated to one length, sorted and paired.
    a, b = np.sort(np.tile(one, len(other))), np.sort(np.tile(other, len(one)))
    expected = np.abs(a - b).mean()
    assert measures.wasserstein(one, other) == pytest.approx(expected)
    counts = (np.bincount(values, minlength=21) for values in (first, second))
    assert measures.wasserstein_counts(*counts) == pytest.approx(expected)


def test_leaving_groups_out_is_what_it_says() -> None:
    rng = np.random.default_rng(0)
    alleles = rng.integers(0, 2, (90, 7)).astype(np.uint8)
    groups = rng.integers(0, GROUPS, 90)
    for group, (shares, linkage) in enumerate(
        zip(shares_without(alleles, groups), linkages(alleles, groups)[:-1], strict=True)
    ):
        left = alleles[groups != group]
        assert shares == pytest.approx(left.mean(axis=0))
        expected = np.corrcoef(left.T)[np.triu_indices(7, 1)] ** 2
        assert linkage == pytest.approx(expected, abs=1e-6)


def test_components_separate_two_populations() -> None:
    rng = np.random.default_rng(0)
    first = rng.random((200, 40)) < np.linspace(0.1, 0.9, 40)
    second = rng.random((200, 40)) < np.linspace(0.9, 0.1, 40)
    alleles = np.concatenate([first, second]).astype(np.uint8)
    points = measures.Components.of(alleles, 2).project(alleles)
    assert points.std(axis=0) == pytest.approx([1, 1])
    assert abs(np.sign(points[:200, 0]).mean() - np.sign(points[200:, 0]).mean()) > 1.9


def test_markov_chain_draws_what_it_was_fitted_to() -> None:
    rng = np.random.default_rng(1)
    alleles = np.empty((4000, 12), dtype=np.uint8)
    alleles[:, 0] = rng.random(4000) < 0.3
    for site in range(1, 12):  # each allele is like the one before it nine times out of ten
        alleles[:, site] = alleles[:, site - 1] ^ (rng.random(4000) < 0.1)
    chain = best_chain(alleles[:3000], alleles[3000:])
    assert chain.order == 1
    assert chain.bits(alleles[3000:]) == pytest.approx(
        -0.9 * np.log2(0.9) - 0.1 * np.log2(0.1), abs=0.05
    )
    drawn = chain.draw(20_000, np.random.default_rng(2))
    assert (drawn[:, 1:] == drawn[:, :-1]).mean() == pytest.approx(0.9, abs=0.01)
    independent = MarkovChain.fit(alleles, 0).draw(20_000, np.random.default_rng(2))
    assert independent.mean(axis=0) == pytest.approx(alleles.mean(axis=0), abs=0.02)
    like = independent[:, 5] == independent[:, 6]
    share = alleles[:, 5:7].mean(axis=0)
    assert like.mean() == pytest.approx(share.prod() + (1 - share).prod(), abs=0.02)


GOLDEN = {  # AF r, AF error, r of pairwise r2, mean distance, AAtruth, AAsyn, AATS
    "805_SNP_GAN_AG_20000epochs": (0.9818, 0.0322, 0.9239, 336.9, 0.2076, 0.9930, 0.6003),
    "805_SNP_RBM_AG_800Epochs": (0.9937, 0.0167, 0.9770, 343.2, 0.5476, 0.4850, 0.5163),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_published_artificial_genomes_have_their_known_scores(name: str, shared: Path) -> None:
    folder = shared / "data" / "haplotypes_805"
    real = read_panel(folder / "805_SNP_1000G_real.hapt.zip", folder / "805_SNP.legend").alleles
    artificial = read_panel(folder / f"{name}.hapt.zip").alleles
    half = real[np.random.default_rng(0).choice(5008, 5000, replace=False)]
    truth, synthetic = (part.mean() for part in measures.adversarial(half, artificial))
    shares = real.mean(axis=0), artificial.mean(axis=0)
    upper = np.triu_indices(805, 1)
    linkages = [
        measures.linkage(
            (one.T.astype(np.float32) @ one.astype(np.float32)).astype(float) / len(one),
            one.mean(axis=0),
        )[upper]
        for one in (real, artificial)
    ]
    found = (
        measures.correlation(*shares),
        np.abs(shares[0] - shares[1]).mean(),
        measures.correlation(*linkages),
        measures.mean_distance(measures.distances(artificial).counts),
        truth, synthetic, (truth + synthetic) / 2,
    )  # fmt: skip
    assert found == pytest.approx(GOLDEN[name], rel=2e-4, abs=1.5e-3)
    assert measures.copies(artificial, real) == 0
