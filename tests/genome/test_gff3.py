"""Reading GFF3: coordinates, attributes, and the line of every defect."""

import gzip
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.genome import Feature, read_features
from pipeline_lib.genome.gff3 import parse_feature, rename_seqid

GENE = "I\tsgd\tgene\t335\t649\t.\t+\t.\tID=gene:A;Name=a%3Bb%2C c=d%25"


def features(tmp_path, text: str, types=None) -> list[Feature]:
    (tmp_path / "a.gff3").write_text(text)
    return list(read_features(tmp_path / "a.gff3", types))


def test_feature(tmp_path):
    (gene,) = features(tmp_path, f"##gff-version 3\n\n#note\n{GENE}\n###\n")
    attributes = {"ID": "gene:A", "Name": "a;b, c=d%"}
    assert gene == Feature("I", 334, 649, "+", "gene", None, attributes)
    assert gene.id == "gene:A" and gene.parents == ()


def test_parents_phase_and_no_attributes(tmp_path):
    text = "I\t.\texon\t1\t2\t1.5\t-\t.\tParent=a,b;\r\nI\t.\tCDS\t1\t2\t.\t?\t2\t.\r\n"
    exon, cds = features(tmp_path, text)
    assert exon.parents == ("a", "b") and exon.id is None
    assert cds.phase == 2 and cds.strand == "?" and cds.attributes == {}


def test_types(tmp_path):
    text = GENE + "\n" + GENE.replace("\tgene\t", "\tCDS\t") + "\n"
    assert [feature.type for feature in features(tmp_path, text, {"CDS"})] == ["CDS"]


@pytest.mark.parametrize("end", ["##FASTA\n>I\nACGT\n", ">I\nACGT\n"])
def test_sequence_part_ends_the_features(end, tmp_path):
    assert len(features(tmp_path, GENE + "\n" + end)) == 1


def test_yeast(resources):
    every = list(read_features(resources / "S288C_R64-1-1.99.gff3.gz"))
    assert len(every) == 28_695
    assert sum(feature.type == "gene" for feature in every) == 6600
    assert all(feature.phase is not None for feature in every if feature.type == "CDS")
    note = next(f for f in every if f.id == "gene:YAL069W").attributes["description"]
    assert note.startswith("Dubious open reading frame; unlikely to encode a functional protein,")


TEXTS = st.text("ab;=,%\t\n&é |", max_size=10)


@given(
    seqid=TEXTS.filter(bool), start=st.integers(0, 10**9), length=st.integers(1, 10**6), value=TEXTS
)
def test_any_feature_reads_back(seqid, start, length, value):
    value = value.strip()
    columns = [quote(seqid), "x", "gene", str(start + 1), str(start + length), ".", "-", "0"]
    feature = parse_feature([*columns, f"ID={quote(value, safe='')}"])
    assert feature.contig == seqid and feature.attributes == {"ID": value}
    assert (feature.start, feature.end) == (start, start + length)
    renamed = rename_seqid("\t".join(["old", *columns[1:], "."]), seqid)
    assert parse_feature(renamed.split("\t")).contig == seqid


def test_names_of_yeast_stay_legible_when_renamed():
    assert rename_seqid(GENE, "ref|NC_001133|").startswith("ref|NC_001133|\tsgd\t")


DEFECTS = {
    "columns": ("I\tsgd\tgene\t1\t2", "the line has 5 columns; expected 9, separated by tabs"),
    "spaces": (GENE.replace("\t", " "), "the line has 1 columns"),
    "letters": (GENE.replace("335", "3x5"), "start and end are '3x5' and '649'"),
    "negative": (GENE.replace("335", "-5"), "two whole numbers from 1"),
    "zero": (GENE.replace("335", "0"), "the start is 0"),
    "reversed": (GENE.replace("335", "650"), "the end 649 comes before the start 650"),
    "strand": (GENE.replace("\t+\t", "\t1\t"), "the strand is '1'; expected one of + - . ?"),
    "phase": (GENE.replace("+\t.", "+\t3"), "the phase is '3'; expected one of 0 1 2 ."),
    "attribute": (GENE + ";broken", "the attribute 'broken' has no `=`"),
    "gtf": (
        'I\tsgd\tgene\t1\t9\t.\t+\t.\tgene_id "YAL069W"; gene_name "x y";',
        "is written as in GTF",
    ),
}


@pytest.mark.parametrize("kind", DEFECTS)
def test_defects_name_the_line(kind, tmp_path):
    line, words = DEFECTS[kind]
    with pytest.raises(InputError) as caught:
        features(tmp_path, f"##gff-version 3\n{GENE}\n{line}\n{GENE}\n")
    assert words in str(caught.value)
    assert f"{tmp_path / 'a.gff3'}, line 3: " in str(caught.value)


def test_gtf_is_told_how_to_become_gff3(tmp_path):
    with pytest.raises(InputError, match="give the GFF3 file of the same annotation, or convert"):
        features(tmp_path, DEFECTS["gtf"][0])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html><body>Not found</body></html>", "web page"),
        (b"", "the file is empty"),
        (gzip.compress(GENE.encode() * 50)[:-9], "truncated"),
        (b"PK\x03\x04....", "zip archive"),
    ],
    ids=["html", "empty", "truncated", "zip"],
)
def test_what_is_no_gff3_at_all(content, words, tmp_path):
    (tmp_path / "a.gff3").write_bytes(content)
    with pytest.raises(InputError, match=words):
        list(read_features(tmp_path / "a.gff3"))
