"""Holdouts: names, aliases, BED files, and every way to get them wrong."""

from pathlib import Path

import pytest

from pipeline_lib.config.corpus import Holdouts
from pipeline_lib.corpus.holdouts import read_holdouts
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome


@pytest.fixture
def genomes(tmp_path: Path, make_genome) -> dict[str, Genome]:
    contigs = {"chr1": "ACGT" * 25, "chr2": "ACGT" * 25, "tiny": "ACGT"}
    folders = {
        name: make_genome(tmp_path / name, contigs, min_contig_length=10) for name in ("a", "b")
    }
    return {name: Genome(folder) for name, folder in folders.items()}


def holdouts(valid: object, test: object) -> Holdouts:
    return Holdouts.model_validate({"valid": valid, "test": test})


def spans(held) -> dict[tuple[str, str], list[tuple[int, int]]]:
    return {
        place: list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
        for place, found in held.items()
    }


def test_a_name_holds_out_the_contig_of_every_assembly(genomes) -> None:
    held = read_holdouts(genomes, holdouts({"contigs": ["chr1"]}, {"contigs": ["b:chr2"]}))
    assert spans(held["valid"]) == {("a", "chr1"): [(0, 100)], ("b", "chr1"): [(0, 100)]}
    assert spans(held["test"]) == {("b", "chr2"): [(0, 100)]}


def test_aliases_of_the_real_genome(resources: Path, tmp_path: Path) -> None:
    from pipeline_lib.config.genome import Assembly
    from pipeline_lib.genome.prepare import prepare_genome

    source = resources / "S288C_R64-2-1.fa.gz"
    prepare_genome(source, tmp_path / "yeast", Assembly(path=str(source)), name="yeast")
    genomes = {"yeast": Genome(tmp_path / "yeast")}
    held = read_holdouts(genomes, holdouts({"contigs": ["I"]}, {"contigs": ["chrVI"]}))
    assert spans(held["valid"]) == {("yeast", "ref|NC_001133|"): [(0, 230_218)]}
    assert spans(held["test"]) == {("yeast", "ref|NC_001138|"): [(0, 270_161)]}


def test_bed_intervals_are_joined(genomes, tmp_path: Path) -> None:
    bed = tmp_path / "held.bed"
    bed.write_text("# comment\ntrack name=x\na:chr1\t10\t20\tname\na:chr1\t15\t30\r\n\n")
    held = read_holdouts(genomes, holdouts({"bed": str(bed)}, {"contigs": ["chr2"]}))
    assert spans(held["valid"]) == {("a", "chr1"): [(10, 30)]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5", "line 2"),
        ("chr1\tfive\t10", "line 2"),
        ("chr1\t-5\t10", "line 2"),
        ("chr1\t10\t10", "line 2.*expected a start smaller than the end"),
        ("chr1\t10\t101", "line 2.*past the contig's end.*at most 100"),
        ("chr9\t0\t10", "line 2.*'chr9' names no contig"),
    ],
)
def test_bad_bed_lines_are_named(genomes, tmp_path: Path, line: str, message: str) -> None:
    bed = tmp_path / "held.bed"
    bed.write_text(f"chr1\t0\t5\n{line}\n")
    with pytest.raises(InputError, match=message) as caught:
        read_holdouts(genomes, holdouts({"bed": str(bed)}, {"contigs": ["chr2"]}))
    assert str(bed) in str(caught.value)


def test_an_unknown_contig_gets_the_nearest_names(genomes) -> None:
    with pytest.raises(InputError, match=r"'chr11' names no contig.*chr1"):
        read_holdouts(genomes, holdouts({"contigs": ["chr11"]}, {"contigs": ["chr2"]}))


def test_splits_may_not_overlap(genomes, tmp_path: Path) -> None:
    bed = tmp_path / "held.bed"
    bed.write_text("chr1\t99\t100\n")
    with pytest.raises(InputError, match="both validation and test"):
        read_holdouts(genomes, holdouts({"bed": str(bed)}, {"contigs": ["chr1"]}))


def test_splits_may_touch(genomes, tmp_path: Path) -> None:
    for name, interval in (("valid", "0\t50"), ("test", "50\t100")):
        (tmp_path / name).write_text(f"chr1\t{interval}\n")
    held = read_holdouts(
        genomes, holdouts({"bed": str(tmp_path / "valid")}, {"bed": str(tmp_path / "test")})
    )
    assert spans(held["valid"])["a", "chr1"] == [(0, 50)]
    assert spans(held["test"])["a", "chr1"] == [(50, 100)]
