"""Planted leaks are caught by the strict protocol, and counted under that of the paper."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import SPLITS, Target, as_lists
from pipeline_lib.finetuning.links import find_links
from pipeline_lib.finetuning.protocol import divide, draw_groups
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.sequence import reverse_complement

K, SHARED = 15, 20
CLASSES = Target("class", ("a", "b"))
TEST = 0.25


def task(protocol, **changes):
    return parse_task({"type": "table", "file": "x.csv", "protocol": protocol, **changes})


def turned(sequence):
    return reverse_complement(sequence.encode()).decode()


def near(sequence):
    """Change every 40th base: stretches of 39 bases stay, which share 25 15-mers each."""
    letters = list(sequence)
    for place in range(0, len(letters), 40):
        letters[place] = "A" if letters[place] != "A" else "C"
    return "".join(letters)


def raw(random_dna, count=40, **columns):
    """Return unrelated sequences; rows by turns of class a and b."""
    table = pd.DataFrame({"sequence": [random_dna(200, 1000 + i) for i in range(count)]})
    table["target"] = as_lists(np.arange(count)[:, None] % 2)
    return Raw(table.assign(**columns), CLASSES)


def published(count, test=10, valid=10):
    return ["train"] * (count - test - valid) + ["valid"] * valid + ["test"] * test


PLANTED = {
    "exact duplicate": lambda s: s,
    "reverse complement": turned,
    "near copy": near,
    "near copy of the other strand": lambda s: turned(near(s)),
}


@pytest.mark.parametrize("change", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_copy(random_dna, change):
    source = raw(random_dna, split=published(40))
    source.table.loc[3, "sequence"] = change(source.table["sequence"][35])
    source.table.loc[7, "sequence"] = change(source.table["sequence"][25])
    strict = divide(source, task("strict"), None, seed=1)
    kept = strict.examples.table
    reason = "exact copy" if change in list(PLANTED.values())[:2] else "homologous"
    assert strict.stats["dropped"] == {reason: {"train": 2}}
    assert strict.stats["leak"] == {"exact": 0.0, "homologous": 0.0}
    assert (kept.groupby("group")["split"].nunique() == 1).all()
    assert kept["split"].value_counts().to_dict() == {"train": 18, "valid": 10, "test": 10}
    assert not set(kept["sequence"]) & set(source.table["sequence"][[3, 7]]) - set(
        source.table["sequence"][[25, 35]]
    )
    paper = divide(source, task("paper"), None, seed=1)
    assert len(paper.examples) == 40 and paper.stats["dropped"] == {}
    exact = 0.1 if reason == "exact copy" else 0.0
    assert paper.stats["leak"] == {"exact": exact, "homologous": 0.1}
    assert strict.stats["leak_before"] == paper.stats["leak"]


@pytest.mark.parametrize("column", ["gene", "group"])
def test_one_gene_or_group_is_never_in_two_splits(random_dna, column):
    nothing, same = ("", "BRCA2") if column == "gene" else (-1, 5)
    names = [same if row in (2, 22, 37) else nothing for row in range(40)]
    source = raw(random_dna, split=published(40), **{column: names})
    strict = divide(source, task("strict"), None, seed=1)
    # the test example stays; the others leave the less precious splits
    assert strict.stats["dropped"] == {"same gene or group": {"train": 1, "valid": 1}}
    drawn = divide(raw(random_dna, **{column: names}), task("strict"), None, seed=1)
    table = drawn.examples.table
    together = table[table["sequence"].isin(source.table["sequence"][[2, 22, 37]])]
    assert len(together) == 3 and together["split"].nunique() == 1
    assert together["group"].nunique() == 1


def test_partners_count_too_and_in_either_place(random_dna):
    partners = [random_dna(200, 2000 + i) for i in range(40)]
    source = raw(random_dna, split=published(40), partner=partners)
    source.table.loc[0, "partner"] = source.table["partner"][39]
    source.table.loc[1, "sequence"] = turned(source.table["partner"][38])
    source.table.loc[2, ["sequence", "partner"]] = source.table.loc[
        37, ["sequence", "partner"]
    ].to_numpy()
    paper = divide(source, task("paper"), None, seed=1)
    assert paper.stats["leak"] == {"exact": 0.1, "homologous": 0.3}
    strict = divide(source, task("strict"), None, seed=1)
    assert strict.stats["dropped"] == {"exact copy": {"train": 1}, "homologous": {"train": 2}}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(-1, 4)), min_size=2,
             max_size=14)
)  # fmt: skip
def test_links_are_those_of_all_pairs_compared(rows):
    """Against the definition, pair by pair."""
    rng = np.random.default_rng(0)
    pool = ["".join(rng.choice(list("ACGT"), 120)) for _ in range(9)]
    forms = (str, turned, near, lambda s: turned(near(s)))
    sequences = [forms[form](pool[number]) for number, form, _ in rows]
    table = pd.DataFrame({"sequence": sequences, "group": [group for *_, group in rows]})
    links = find_links(table, k=K, shared=SHARED)
    tied = np.array([[a[0] == b[0] or (a[2] == b[2] >= 0) for a in rows] for b in rows])
    for member in range(len(rows)):
        only = np.arange(len(rows)) == member
        np.testing.assert_array_equal(links.linked_to(only), tied[member])
        same = [{one, turned(one)} == {sequences[member], turned(sequences[member])}
                for one in sequences]  # fmt: skip
        assert links.copied_from(only).tolist() == same
    reach = np.linalg.matrix_power(tied.astype(float), len(rows)) > 0
    groups = links.groups()
    np.testing.assert_array_equal(groups[:, None] == groups[None], reach)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=20, max_size=60),
    st.integers(0, 1000),
    st.integers(1, 3),
)
def test_whole_groups_are_drawn_to_the_wanted_share(sizes, seed, classes):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    strata = groups % classes
    shares = {"test": 0.25, "valid": 0.15}
    splits = draw_groups(groups, strata, shares, np.random.default_rng(seed))
    assert (pd.Series(splits).groupby(groups).nunique() == 1).all()
    for value in range(classes):
        here = splits[strata == value]
        for split, share in shares.items():
            found = (here == split).sum()
            assert 0 < found <= max(round(share * len(here)), len(here) // 4, 1)
            # Passed-over groups are larger than what was missing.
            assert found > share * len(here) - 7


def test_random_splits_keep_copies_together_where_the_paper_does_not(random_dna):
    source = raw(random_dna, count=60)
    # every sequence twice: once as it is and once turned
    source.table.loc[30:, "sequence"] = [turned(s) for s in source.table["sequence"][:30]]
    strict = divide(source, task("strict"), None, seed=3)
    assert len(strict.examples) == 60 and strict.stats["dropped"] == {}
    assert strict.stats["homology"]["groups"] == 30
    assert strict.stats["leak"] == {"exact": 0.0, "homologous": 0.0}
    paper = divide(source, task("paper"), None, seed=3)
    assert paper.stats["leak"]["exact"] > 0.3
    for result in (strict, paper):
        counts = result.stats["examples"]
        assert sum(counts["test"].values()) == pytest.approx(TEST * 60, abs=2)
        assert sum(counts["valid"].values()) == pytest.approx(0.15 * 60, abs=2)
        assert min(min(found.values()) for found in counts.values()) > 0


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_the_seed_decides_and_nothing_else(random_dna, protocol):
    source = raw(random_dna, count=60)
    one, again, other = (
        divide(source, task(protocol), None, seed=seed).examples.table for seed in (1, 1, 2)
    )
    assert one["split"].tolist() == again["split"].tolist() != other["split"].tolist()


def test_validation_is_drawn_from_training_where_it_is_not_published(random_dna):
    splits = ["train"] * 30 + ["test"] * 10
    source = raw(random_dna, split=splits)
    source.table.loc[5, "sequence"] = source.table["sequence"][6]
    for protocol in ("strict", "paper"):
        table = divide(source, task(protocol), None, seed=1).examples.table
        by_row = table["split"].tolist()
        assert by_row[30:] == ["test"] * 10 and set(by_row[:30]) == {"train", "valid"}
        assert 3 <= by_row.count("valid") <= 6
        if protocol == "strict":
            assert by_row[5] == by_row[6]


def test_held_out_contigs(random_dna):
    source = raw(random_dna, contig=[f"chr{1 + row % 4}" for row in range(40)], start=0, end=200)
    hold = {"valid": {"contigs": ["chr2"]}, "test": {"contigs": ["chr4"]}}
    table = divide(source, task("strict", holdouts=hold), None, seed=1).examples.table
    expected = {"chr1": "train", "chr2": "valid", "chr3": "train", "chr4": "test"}
    assert table["split"].tolist() == [expected[contig] for contig in table["contig"]]
    wrong = {"valid": {"contigs": ["2"]}, "test": {"contigs": ["chr4"]}}
    with pytest.raises(InputError, match=r"`holdouts.valid` names '2'.*chr1, chr2.*To fix"):
        divide(source, task("strict", holdouts=wrong), None, seed=1)
    with pytest.raises(InputError, match="not every example says where"):
        divide(raw(random_dna), task("strict", holdouts=hold), None, seed=1)


def test_what_cannot_be_divided_is_said(random_dna):
    source = raw(random_dna, group=[1] * 40)
    with pytest.raises(InputError, match=r"of 40 rows, 40 belong together.*`homology_shared`"):
        divide(source, task("strict"), None, seed=1)
    assert set(divide(source, task("paper"), None, seed=1).examples.table["split"]) == set(SPLITS)
