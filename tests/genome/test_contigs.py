"""Which contigs are kept, and what is said of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.genome.contigs import (
    Contig,
    composition,
    organelle_warnings,
    read_contigs,
    reason_to_drop,
    shares,
    write_contigs,
)


def contig(name: str, length: int = 500_000, gc: float = 0.4, **changes) -> Contig:
    values = {"n_share": 0.0, "soft_masked_share": 0.0, "molecule": "nuclear", "kept": True}
    return Contig(name, length, gc, **(values | {"reason": "", "description": ""} | changes))


@given(st.text("ACGTacgtNnRy", min_size=1, max_size=200))
def test_shares_are_those_of_a_plain_count(sequence):
    gc, n_share, masked = shares(composition(sequence.encode()))
    upper = sequence.upper()
    bases = sum(upper.count(base) for base in "ACGT")
    expected = (upper.count("G") + upper.count("C")) / bases if bases else math.nan
    assert gc == pytest.approx(expected, nan_ok=True)
    assert n_share == pytest.approx(upper.count("N") / len(sequence))
    assert masked == pytest.approx(sum(letter.islower() for letter in sequence) / len(sequence))


def test_composition_of_more_than_one_slice():
    counts = composition(b"ACGTN" * 1_000_000)
    assert [int(counts[ord(letter)]) for letter in "ACGTN"] == [1_000_000] * 5


def test_reasons(assembly):
    settings = assembly(min_contig_length=10_000)
    assert reason_to_drop("nuclear", "", 10_000, settings) == ""
    assert reason_to_drop("nuclear", "", 9_999, settings) == "shorter than 10,000 bases"
    reason = reason_to_drop("mitochondrion", "record name MT", 9_999, settings)
    assert reason == "mitochondrion: record name MT"
    assert reason_to_drop("plastid", "record name Pt", 150_000, settings) == ""
    settings = assembly(drop_organelles=("plastid",))
    assert reason_to_drop("plastid", "x", 150_000, settings) == "plastid: x"
    assert reason_to_drop("mitochondrion", "x", 150_000, settings) == ""


def test_warning_names_likely_records_and_the_key(assembly):
    contigs = [contig("one"), contig("two", gc=0.41), contig("odd", 85_000, 0.17)]
    contigs += [contig("huge", 30_000_000, 0.42), contig("scrap", 900, 0.1)]
    (warning,) = organelle_warnings(contigs, assembly(), assembly="S288C")
    assert "genome.assemblies.S288C.organelles: {RECORD: mitochondrion}" in warning
    assert "most likely: odd (85,000 bases, GC 17%)" in warning
    assert "huge" not in warning and "scrap" not in warning


def test_a_header_that_speaks_of_an_organelle_is_likeliest(assembly):
    contigs = [contig("one"), contig("odd", 85_000, 0.17)]
    contigs.append(contig("said", description="chromosome 1 mitochondrial DNA"))
    (warning,) = organelle_warnings(contigs, assembly(), assembly="a")
    assert "most likely: said" in warning


def test_no_warning_where_recognised_or_not_to_be_dropped(assembly):
    found = [contig("a"), contig("MT", molecule="mitochondrion")]
    assert organelle_warnings(found, assembly(), assembly="a") == []
    assert organelle_warnings([contig("a")], assembly(drop_organelles=()), assembly="a") == []
    both = assembly(drop_organelles=("mitochondrion", "plastid"))
    (warning,) = organelle_warnings(found, both, assembly="a")
    assert "plastid" in warning


WORDS = st.text("ab '\"#|\u00a0é染", max_size=20)


@given(data=st.data(), names=st.lists(st.text("abc|:'\"#", min_size=1), unique=True, max_size=5))
def test_table_reads_back(data, names, tmp_path_factory):
    contigs = []
    for name in names:
        share = data.draw(st.integers(0, 1_000_000)) / 1_000_000
        molecule = data.draw(st.sampled_from(["nuclear", "mitochondrion", "plastid"]))
        words = " ".join(data.draw(WORDS).split())
        kept = data.draw(st.booleans())
        contigs.append(
            contig(name, 5, share, molecule=molecule, kept=kept, reason=words, description=words)
        )
    path = tmp_path_factory.mktemp("contigs") / "contigs.tsv"
    write_contigs(path, contigs)
    assert read_contigs(path) == contigs


def test_a_tab_in_a_header_does_not_break_the_table(tmp_path):
    write_contigs(tmp_path / "c.tsv", [contig("a", gc=math.nan, description="x\ty \x85 z")])
    (found,) = read_contigs(tmp_path / "c.tsv")
    assert found.description == "x y z" and math.isnan(found.gc)
