"""Other names of contigs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.genome.aliases import (
    Alias,
    collect_aliases,
    header_aliases,
    read_alias_table,
    read_aliases,
    rule_aliases,
    write_aliases,
)
from pipeline_lib.genome.contigs import Contig


def contig(name: str, description: str = "", molecule: str = "nuclear") -> Contig:
    return Contig(name, 9, 0.5, 0.0, 0.0, molecule, molecule == "nuclear", "", description)


def lookup(contigs, reported=None, table=None) -> dict[str, str]:
    aliases, _ = collect_aliases(contigs, reported=reported or {}, table=table or {})
    return {alias.alias: alias.contig for alias in aliases}


HEADERS = [
    ("ref|NC_001133|", "[moltype=genomic] [chromosome=I]", {"NC_001133", "I"}),
    ("gi|330443|ref|NC_001139.9|", "", {"NC_001139.9"}),
    ("NC_001139.9", "S. cerevisiae S288C chromosome VII, complete sequence", {"VII"}),
    ("NT_033779.5", "Drosophila melanogaster chromosome 2L", {"2L"}),
    ("OU015430.1", "Aglais io genome assembly, chromosome: 3", {"3"}),
    ("I", "dna:chromosome chromosome:R64-1-1:I:1:230218:1 REF", {"I"}),
    ("q", "dna_sm:chromosome chromosome:TAIR10:5:1:26975502:1 REF", {"5"}),
    ("NT_187361.1", "Homo sapiens chromosome 1 unlocalized genomic scaffold, GRCh38.p14", set()),
    ("NC_003070.9", "Arabidopsis thaliana chromosome 1 sequence", {"1"}),
    ("chr1", "assembled chromosome sequence", set()),
]


@pytest.mark.parametrize(("name", "description", "expected"), HEADERS)
def test_names_in_headers(name, description, expected):
    assert set(header_aliases(name, description)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chrIV", {"IV", "chrIV", "ChrIV"}),
        ("IV", {"IV", "chrIV", "ChrIV"}),
        ("2L", {"2L", "chr2L", "Chr2L"}),
        ("NC_001133.9", {"NC_001133"}),
        ("chrUn_KI270302v1", {"KI270302.1", "KI270302"}),
        ("chr1_KI270706v1_random", {"KI270706.1", "KI270706"}),
        ("scaffold_12", set()),
        ("chrUn", set()),
    ],
)
def test_names_by_rule(name, expected):
    assert set(rule_aliases(name)) == expected


def test_chain_from_header_to_rule():
    found = lookup([contig("ref|NC_001133.9|", "[chromosome=I]")])
    assert set(found) == {"NC_001133.9", "NC_001133", "I", "chrI", "ChrI"}


def test_own_name_wins_without_a_word():
    contigs = [contig("chr1", "chromosome 2, complete"), contig("2"), contig("chr2")]
    aliases, warnings = collect_aliases(contigs, reported={"chr1": ["2"]}, table={})
    found = {alias.alias: alias.contig for alias in aliases}
    assert "2" not in found and "chr2" not in found
    assert found["1"] == "chr1"
    assert len(warnings) == 1 and "'Chr2'" in warnings[0]  # claimed by all three


def test_contested_names_are_left_out_unless_the_table_decides():
    contigs = [contig("a", "species chromosome 1, x"), contig("b", "species chromosome 1, y")]
    aliases, warnings = collect_aliases(contigs, reported={}, table={})
    assert aliases == []
    assert "3 other names are claimed by more than one record" in warnings[0]
    assert "'1': 'a', 'b'" in warnings[0]
    found = lookup(contigs, table={"1": "b"})
    assert found["1"] == "b" and "chr1" not in found


def test_organelle_names_for_the_only_one():
    contigs = [contig("x", molecule="mitochondrion"), contig("y", molecule="plastid")]
    found = lookup(contigs)
    assert {found[name] for name in ("MT", "chrM", "Mito", "M")} == {"x"}
    assert {found[name] for name in ("Pt", "chrPt", "chrC")} == {"y"}
    two = [contig("x", molecule="mitochondrion"), contig("y", molecule="mitochondrion")]
    assert lookup(two) == {}


def test_chromosome_1_of_a_mitochondrion_is_not_chromosome_1():
    header = "Cucumis sativus mitochondrion chromosome 1, complete sequence"
    contigs = [contig("NC_016005.1", header, "mitochondrion"), contig("A", "chromosome 1, whole")]
    assert lookup(contigs)["1"] == "A"


def test_sources_are_told():
    contigs = [contig("a.x", "[chromosome=I]")]
    aliases, _ = collect_aliases(contigs, reported={"a.x": ["R"]}, table={"T.t": "a.x"})
    sources = {alias.alias: alias.source for alias in aliases}
    assert sources["T.t"] == "table" and sources["I"] == "header"
    assert sources["R"] == "report" and sources["chrR"] == "rule"


NAMES = st.sampled_from(["I", "chrI", "ChrI", "1", "chr1", "NC_001133", "NC_001133.9", "s1"])


@given(
    names=st.lists(NAMES, unique=True, min_size=1, max_size=5),
    claims=st.lists(st.tuples(st.integers(0, 4), NAMES), max_size=8),
)
def test_never_ambiguous_never_over_an_own_name(names, claims):
    contigs = [contig(name) for name in names]
    reported: dict[str, list[str]] = {}
    for index, alias in claims:
        reported.setdefault(names[index % len(names)], []).append(alias)
    aliases, _ = collect_aliases(contigs, reported=reported, table={})
    spoken = [alias.alias for alias in aliases]
    assert len(spoken) == len(set(spoken))
    assert not set(spoken) & set(names)
    claimants = {alias: {c for c, found in reported.items() if alias in found} for alias in spoken}
    assert all(len(who) <= 1 for who in claimants.values())
    order = [names.index(alias.contig) for alias in aliases]
    assert order == sorted(order)


def test_table_of_the_user(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("# mine\nref|a|\tI\r\nref|a|\tone\n\nb\tII\n")
    assert read_alias_table(path, ["ref|a|", "b"]) == {"I": "ref|a|", "one": "ref|a|", "II": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tI\nA\tII\n", "line 2: there is no record 'A'; the nearest names are"),
        ("a I\n", "line 1: the row has 1 columns; expected two columns"),
        ("a\tI\tII\n", "the row has 3 columns"),
        ("a\t\n", "a cell is empty"),
        ("a\tI\nb\tI\n", "line 2: 'I' is given to 'b' and to 'a'"),
        ("", "the file is empty"),
    ],
)
def test_defects_of_the_table(text, words, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_alias_table(path, ["a", "b"])
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_file_reads_back(tmp_path):
    write_aliases(tmp_path / "a.tsv", [Alias("ref|x|", "'I\"", "header"), Alias("y", "#", "rule")])
    assert read_aliases(tmp_path / "a.tsv") == {"'I\"": "ref|x|", "#": "y"}
