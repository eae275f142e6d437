"""Real runs of what a corpus can be asked for: lift-over, haplotypes, pieces; published presets."""

import gzip
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.files import read_json
from pipeline_lib.shards.reader import Shards
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


@pytest.fixture
def related(new_project: Callable[..., Project], small_genome: Path, tmp_path: Path) -> Project:
    """Return a project with two related assemblies."""
    project = new_project()
    strain_of(small_genome / "small.fa.gz", tmp_path / "strain.fa.gz")
    project.values["genome"]["assemblies"]["strain"] = {"path": str(tmp_path / "strain.fa.gz")}
    project.values["corpus"]["corpora"]["small"]["assemblies"] = ["small", "strain"]
    return project


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


@pytest.mark.skipif(shutil.which("mmseqs") is None, reason="mmseqs2 is not installed")
def test_copies_are_found_by_mmseqs(related: Project) -> None:
    """Without lift-over the strain's copies of the holdouts are homologous training sequence."""
    related.values["corpus"]["corpora"]["small"]["homology"] = {"method": "mmseqs2"}
    related.write()
    related.succeed("corpus")
    stats = read_json(related.folder / "results" / "corpus" / "small" / "stats.json")
    assert min(stats["leak"]["before"].values()) > 0.5
    assert max(stats["leak"]["after"].values()) < 0.05
    # Chromosomes I and VI have 500,365 bases together.
    assert 450_000 < stats["splits"]["train"]["homologous_bases"] < 700_000


def test_copies_are_found_by_the_sketch(related: Project) -> None:
    related.write()
    related.succeed("corpus")
    stats = read_json(related.folder / "results" / "corpus" / "small" / "stats.json")
    assert min(stats["leak"]["before"].values()) > 0.5
    assert max(stats["leak"]["after"].values()) < 0.05
    assert 450_000 < stats["splits"]["train"]["homologous_bases"] < 700_000


def test_pieces_hold_what_one_job_writes(new_project: Callable[..., Project]) -> None:
    found = {}
    for pieces in (1, 3):
        project = new_project()
        project.values["shards"]["pieces"] = pieces
        project.write()
        project.succeed("shards")
        shards = Shards(project.folder / "results/shards/small/bpe256/train")
        shards.verify()
        rows = list(shards.rows())
        found[pieces] = [row[:6] for row in rows], np.concatenate([row[6] for row in rows])
        assert not (shards.directory.parent / "pieces" / "train-0").exists()
    assert found[1][0] == found[3][0]
    assert (found[1][1] == found[3][1]).all()


def test_haplotypes_all_the_way_to_shards(
    new_project: Callable[..., Project], tmp_path: Path
) -> None:
    generator, lines = random.Random(1), ["##fileformat=VCFv4.2"]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tbob"]
    project = new_project()
    with gzip.open(project.folder / "data/small.fa.gz", "rt") as handle:
        records = handle.read().split(">")[1:]
    names = {"NC_001133": "I", "NC_001135": "III", "NC_001138": "VI", "NC_001141": "IX"}
    for record in records:
        header, _, body = record.partition("\n")
        name = next((n for key, n in names.items() if key in header), None)
        text = body.replace("\n", "")
        for place in range(500, len(text) - 10, 700) if name else ():
            other = generator.choice([base for base in "ACGT" if base != text[place]])
            calls = f"{generator.choice(['0|1', '1|0', '1|1'])}\t0|0"
            site = f"{name}\t{place + 1}\t.\t{text[place]}\t{other}"
            lines.append(f"{site}\t.\tPASS\t.\tGT\t{calls}")
    (tmp_path / "calls.vcf").write_text("\n".join(lines) + "\n")
    corpus = project.values["corpus"]["corpora"]["small"]
    corpus["variants"] = {"vcf": [str(tmp_path / "calls.vcf")], "samples": ["ann", "bob"]}
    project.write()
    project.succeed("shards")
    train = project.folder / "results/corpus/small/train/documents.parquet"
    documents = list(read_documents(train))
    assert {document.sample for document in documents} == {"ann"}  # bob has no variant
    assert {document.haplotype for document in documents} == {0, 1}
    assert sum(document.variants for document in documents) > 500


@pytest.mark.parametrize("name", [
    "arabidopsis", "fly", "human_1000g", "human_kmers", "human_nucleotides", "human_t2t",
    "mammals", "multi", "nine_species", "promoters", "yeast",
])  # fmt: skip
def test_presets_can_be_planned(new_project: Callable[..., Project], name: str) -> None:
    project = new_project()
    shutil.rmtree(project.folder / "config")  # the workflow's own default lies below the preset
    preset = project.root / "config" / "species" / f"{name}.yaml"
    planned = project.planned("--configfile", str(preset))
    assert {"genome_prepare", "corpus_cut", "pretraining_train"} <= planned
    assert planned & {"shards_write", "shards_piece"}


def test_every_preset_is_tested(root: Path) -> None:
    found = {path.stem for path in (root / "config" / "species").glob("*.yaml")}
    marks = test_presets_can_be_planned.pytestmark  # type: ignore[attr-defined]
    assert found == set(marks[0].args[1])


def test_published_holdouts_have_their_published_sizes(root: Path) -> None:
    sizes = {}
    for path in (root / "resources" / "holdouts").glob("*.bed"):
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        sizes[path.stem] = sum(int(end) - int(start) for _, start, end in rows)
    assert sizes == {"sacCer3": 861_100, "TAIR10": 11_182_947, "dm6": 11_463_658}


def test_no_preset_mixes_with_the_default(root: Path) -> None:
    """A corpus, tokenizer or model of the demo's name would be layered over the demo's."""
    default = yaml.safe_load((root / "config/config.yaml").read_text())
    for path in (root / "config" / "species").glob("*.yaml"):
        preset = yaml.safe_load(path.read_text())
        for section, entries in (
            ("genome", "assemblies"), ("corpus", "corpora"), ("tokenizer", "tokenizers"),
            ("pretraining", "models"),
        ):  # fmt: skip
            names = set(preset[section].get(entries, {}))
            assert not names & set(default[section][entries]), path.name
