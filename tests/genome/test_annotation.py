"""Joining an annotation to a prepared genome."""

import gzip
import logging
from pathlib import Path

import pysam
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum, read_json
from pipeline_lib.genome import Genome, prepare_annotation, read_features
from pipeline_lib.genome.annotation import TABIX_REACH, _Spool
from pipeline_lib.genome.gff3 import Line, parse_feature

FILES = ("annotation.gff3.gz", "annotation.gff3.gz.tbi", "annotation.json")
GENOME = ">chr1\nACGTACGTAC\n>chr2\nACGTACGTAC\n>chrM\nACGTT\n"


def row(seqid: str, start: int, end: int, attributes: str = ".", kind: str = "gene") -> str:
    return f"{seqid}\tx\t{kind}\t{start}\t{end}\t.\t+\t.\t{attributes}\n"


@pytest.fixture
def annotate(prepare, tmp_path):
    folder = prepare(GENOME)

    def make(text: str, **options) -> Path:
        (tmp_path / "a.gff3").write_text("##gff-version 3\n" + text)
        prepare_annotation(tmp_path / "a.gff3", folder, **options)
        return folder

    make.folder = folder
    return make


def test_yeast(yeast, resources):
    stats = read_json(yeast / "annotation.json")
    assert stats["features"] == 28_438
    assert stats["left_out"]["on_dropped_contigs"] == {"Mito": 257}
    assert stats["left_out"]["on_unknown_contigs"] == {} and stats["warnings"] == []
    assert stats["types"]["gene"] == 6572
    source = resources / "S288C_R64-1-1.99.gff3.gz"
    assert stats["provenance"]["inputs"] == {"annotation": checksum(source)}


def test_yeast_lies_on_the_contigs_of_the_genome(yeast, resources):
    with Genome(yeast) as genome:
        found = list(read_features(yeast / "annotation.gff3.gz"))
        order = {name: index for index, name in enumerate(genome.contigs)}
        keys = [(order[feature.contig], feature.start) for feature in found]
        assert keys == sorted(keys)
        source = read_features(resources / "S288C_R64-1-1.99.gff3.gz", {"gene"})
        expected = {(genome.resolve(f.contig), f.start, f.end, f.id) for f in source}
        genes = {(f.contig, f.start, f.end, f.id) for f in found if f.type == "gene"}
        assert genes == {gene for gene in expected if gene[0] is not None}


def test_yeast_first_codons_are_start_codons(yeast):
    """The coordinates mean what they should: ATG at the start of each gene's first exon."""
    forward = [f for f in read_features(yeast / "annotation.gff3.gz", {"gene"}) if f.strand == "+"]
    coding = [f for f in forward if f.attributes["biotype"] == "protein_coding"]
    with Genome(yeast) as genome:
        starts = [genome.fetch(f.contig, f.start, f.start + 3) for f in coding]
    assert starts.count(b"ATG") / len(starts) > 0.99


def test_tabix_index_answers(yeast):
    index = pysam.TabixFile(str(yeast / "annotation.gff3.gz"))
    rows = [line for line in index.fetch("ref|NC_001133|", 334, 649) if "\tgene\t" in line]
    assert any("YAL069W" in line for line in rows)
    assert "ref|NC_001224|" not in index.contigs


def test_sorted_parents_first_and_renamed(annotate):
    text = row("2", 3, 9, "ID=b") + row("1", 5, 9, "ID=z") + row("chr1", 2, 9, "ID=g")
    text += row("1", 2, 9, "Parent=g", "mRNA") + "##FASTA\n>1\nACGT\n"
    folder = annotate(text)
    found = gzip.decompress((folder / FILES[0]).read_bytes()).decode().splitlines()
    assert found == [
        "##gff-version 3",
        row("chr1", 2, 9, "ID=g").strip(),
        row("chr1", 2, 9, "Parent=g", "mRNA").strip(),
        row("chr1", 5, 9, "ID=z").strip(),
        row("chr2", 3, 9, "ID=b").strip(),
    ]
    assert {path.name for path in folder.iterdir()} >= set(FILES)
    assert not list(folder.glob(".*"))


def test_same_bytes_each_time(annotate):
    text = row("2", 3, 9) + row("1", 5, 9)
    first = [checksum(annotate(text) / name) for name in FILES]
    assert [checksum(annotate(text) / name) for name in FILES] == first


def test_dropped_and_unknown_are_counted_apart(annotate, caplog):
    text = row("1", 1, 5) + row("MT", 1, 99) * 2 + row("scaffold9", 1, 99) * 3
    with caplog.at_level(logging.WARNING):
        stats = read_json(annotate(text) / "annotation.json")
    assert stats["features"] == 1
    assert stats["left_out"]["on_dropped_contigs"] == {"MT": 2}
    assert stats["left_out"]["on_unknown_contigs"] == {"scaffold9": 3}
    (warning,) = stats["warnings"]
    assert "3 features lie on 1 sequences" in warning and "'scaffold9'" in warning
    assert warning in caplog.text


def test_features_across_the_origin_of_a_circular_contig(annotate):
    text = row("1", 1, 10, "ID=r;Is_circular=true", "region") + row("1", 8, 14) + row("1", 2, 5)
    stats = read_json(annotate(text) / "annotation.json")
    assert stats["features"] == 2 and stats["left_out"]["crossing_the_origin"] == 1
    assert "cross the origin" in stats["warnings"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            row("c1", 1, 2) + row("c2", 1, 2) + row("c3", 1, 2) + row("c4", 1, 2),
            "it has 'c1', 'c2', 'c3' and 1 more, the genome has 'chr1', 'chr2'. To fix: give a "
            "table with `aliases`",
        ),
        (
            row("1", 1, 2) + row("1", 3, 11, "ID=long"),
            "line 3: gene 'long' ends at base 11, past the end of 'chr1'; expected no base past "
            "10. To fix: another assembly version?",
        ),
        (row("1", 11, 14, "Is_circular=true"), "past the end"),
        (row("MT", 1, 2), "all features lie on contigs that were left out ('MT')"),
        ("", "the file holds no feature"),
        (row("1", 1, 2) + "junk\n", "line 3: the line has 1 columns"),
    ],
)
def test_defects_leave_nothing_behind(text, words, annotate):
    before = sorted(path.name for path in annotate.folder.iterdir())
    with pytest.raises(InputError) as caught:
        annotate(text)
    assert words in str(caught.value)
    assert sorted(path.name for path in annotate.folder.iterdir()) == before


def test_wrong_checksum(annotate):
    with pytest.raises(InputError, match="the sha256 of the file is"):
        annotate(row("1", 1, 2), sha256="0" * 64)


def test_without_a_genome(tmp_path):
    (tmp_path / "a.gff3").write_text(row("1", 1, 2))
    with pytest.raises(InputError, match="is missing"):
        prepare_annotation(tmp_path / "a.gff3", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_contigs_too_long_for_tabix(annotate, tmp_path):
    with Genome(annotate.folder) as genome:
        genome.contigs["chr1"] = 2 * TABIX_REACH
        text = row("chr1", TABIX_REACH, TABIX_REACH + 1)
        line = Line(7, text.strip(), parse_feature(text.strip().split("\t")))
        with (
            (tmp_path / "spool").open("wb") as handle,
            pytest.raises(InputError, match="line 7: the feature ends at base 536,870,913"),
        ):
            _Spool(genome).add(line, handle, Path("a.gff3"))


def test_full_disk(yeast, resources, tiny_disk):
    for name in ("genome.fa.gz.fai", "genome.fa.gz.gzi", "contigs.tsv", "aliases.tsv"):
        (tiny_disk / name).write_bytes((yeast / name).read_bytes())
    (tiny_disk / "genome.fa.gz").symlink_to(yeast / "genome.fa.gz")
    before = sorted(path.name for path in tiny_disk.iterdir())
    with pytest.raises(InputError, match="the disk is full"):
        prepare_annotation(resources / "S288C_R64-1-1.99.gff3.gz", tiny_disk)
    assert sorted(path.name for path in tiny_disk.iterdir()) == before
