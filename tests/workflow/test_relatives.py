"""Two assemblies that are alike: what is held out in one is held out in the other."""

import copy
import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.files import read_json
from tests.workflow.conftest import Project


def strain_of(fasta: Path, path: Path) -> None:
    """Write a relative of a genome: renamed, reordered, one contig reversed, 1 % changed."""
    generator = random.Random(4)
    with gzip.open(fasta, "rt") as handle:
        records = handle.read().split(">")[1:]
    mates = str.maketrans("ACGT", "TGCA")
    with gzip.open(path, "wt") as output:
        for number, record in enumerate(reversed(records)):
            header, _, body = record.partition("\n")
            if "mitochondrion" in header:
                continue
            letters = list(body.replace("\n", ""))
            for place in generator.sample(range(len(letters)), len(letters) // 100):
                letters[place] = generator.choice("ACGT")
            text = "".join(letters)
            text = text.translate(mates)[::-1] if number % 2 else text
            output.write(f">strain{number}\n{text}\n")


@pytest.fixture(scope="module")
def prepared(new_project: Callable[..., Project], small_genome: Path) -> Project:
    """Return a project whose two related assemblies are prepared. Do not change it."""
    project = new_project()
    strain = project.folder / "strain.fa.gz"
    strain_of(small_genome / "small.fa.gz", strain)
    project.values["genome"]["assemblies"]["strain"] = {"path": str(strain)}
    project.values["corpus"]["corpora"]["small"]["assemblies"] = ["small", "strain"]
    project.write()
    project.succeed("genome")
    return project


@pytest.fixture
def related(prepared: Project, tmp_path: Path) -> Project:
    """Return a copy of that project."""
    shutil.copytree(prepared.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", prepared.root, copy.deepcopy(prepared.values))


@pytest.mark.skipif(shutil.which("minimap2") is None, reason="minimap2 is not installed")
def test_holdouts_are_lifted_to_a_relative(related: Project) -> None:
    corpus = related.values["corpus"]["corpora"]["small"]
    corpus["holdouts"]["lift"] = {"reference": "small"}
    related.write()
    related.succeed("corpus")
    results = related.folder / "results" / "corpus" / "small"
    rows = [line.split("\t") for line in (results / "plan/holdouts.tsv").read_text().splitlines()]
    held = {(row[0], row[4]): 0 for row in rows[1:]}
    for assembly, _, start, end, split in rows[1:]:
        held[assembly, split] += int(end) - int(start)
    for split in ("valid", "test"):
        assert held["strain", split] == pytest.approx(held["small", split], rel=0.1)
    leak = read_json(results / "stats.json")["leak"]["after"]
    assert max(leak.values()) < 0.05


WITH_MMSEQS = pytest.mark.skipif(shutil.which("mmseqs") is None, reason="mmseqs2 is not installed")


@pytest.mark.parametrize(
    "homology",
    [
        pytest.param({}, id="sketch"),
        pytest.param({"method": "mmseqs2"}, id="mmseqs2", marks=WITH_MMSEQS),
    ],
)
def test_copies_are_found(related: Project, homology: dict[str, str]) -> None:
    """Without lift-over the strain's copies of the holdouts are homologous training sequence."""
    related.values["corpus"]["corpora"]["small"]["homology"] = homology
    related.write()
    related.succeed("corpus")
    stats = read_json(related.folder / "results" / "corpus" / "small" / "stats.json")
    assert min(stats["leak"]["before"].values()) > 0.5
    assert max(stats["leak"]["after"].values()) < 0.05
    # Chromosomes I and VI have 500,365 bases together.
    assert 450_000 < stats["splits"]["train"]["homologous_bases"] < 700_000
