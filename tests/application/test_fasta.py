"""Genomes as people have them."""

import gzip
import shutil
from pathlib import Path

import pysam
import pytest

from pipeline_lib.application.fasta import Fasta, open_genome
from pipeline_lib.errors import InputError


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_bases_are_those_of_the_file(
    genome: Path, sequences: dict[str, str], tmp_path: Path, packed: bool, indexed: bool
) -> None:
    path = tmp_path / ("genome.fa.gz" if packed else "genome.fa")
    if packed:
        pysam.tabix_compress(str(genome), str(path))
    else:
        shutil.copy(genome, path)
    if indexed:
        pysam.faidx(str(path))
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    with_name = open_genome(path)
    assert dict(with_name.contigs) == {name: len(text) for name, text in sequences.items()}
    for name, text in sequences.items():
        assert with_name.fetch(name, 0, len(text)).decode() == text
        assert with_name.fetch(name, 7, 7) == b""
    # Nothing is written beside somebody's genome.
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before


def test_an_index_older_than_its_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_text(">a\nACGT\n>b\nTTTTTT\n")
    assert open_genome(path).fetch("b", 0, 6) == b"TTTTTT"
    path.write_text(">a\nACGTACGTACGT\n>b\nGGGG\n")
    assert open_genome(path).fetch("b", 0, 4) == b"GGGG"


def test_names_with_and_without_prefix_or_version(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_text(">20\nACGT\n>chrX\nAC\n>NC_001133.9\nGT\n>ref|NC_001134|\nGT\n>chrM\nT\n")
    found = Fasta(path)
    names = {"chr20": "20", "X": "chrX", "NC_001133": "NC_001133.9", "MT": "chrM",
             "NC_001134": "ref|NC_001134|", "NC_001134.8": "ref|NC_001134|"}  # fmt: skip
    assert {name: found.resolve(name) for name in names} == names
    assert found.resolve("chr21") is None


def test_a_name_of_two_records_is_of_neither(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa"
    path.write_text(">NC_001133.8\nACGT\n>NC_001133.9\nAC\n")
    assert open_genome(path).resolve("NC_001133") is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.fa", None, "no such file"),
        ("folder", b"", "holds no prepared genome"),
        ("plain.fa.gz", gzip.compress(b">a\nACGT\n"), "run `gunzip -c plain.fa.gz | bgzip"),
        ("reads.fq", b"@a\nACGT\n+\nIIII\n", "begins with b'@a"),
        ("empty.fa", b"", "expected FASTA"),
        ("ragged.fa", b">a\nACGT\nACGTACGT\nAC\n", "lines of one length"),
    ],
)
def test_what_is_no_genome(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        open_genome(path)


def test_an_interval_outside_of_its_record(genome: Path) -> None:
    with pytest.raises(InputError, match=r"\[10, 9,999\) does not lie inside 'chr2' of 700"):
        Fasta(genome).fetch("chr2", 10, 9_999)
    with pytest.raises(InputError, match="nearest names are 'chr1'"):
        Fasta(genome).fetch("chr11", 0, 1)
