"""What is evaluated beside tasks: species of several assemblies, embeddings, variants."""

import gzip
from collections.abc import Callable

import numpy as np
import pysam

from pipeline_lib.files import read_json
from tests.workflow.conftest import Project

STARTS = {"type": "gene_starts", "assembly": "small", "upstream": 60, "downstream": 40,
          "epochs": 1, "seeds": [1], "homology_shared": 60, "max_training_examples": 100,
          "holdouts": {"valid": {"contigs": ["I"]}, "test": {"contigs": ["VI"]}}}  # fmt: skip


def test_species_embeddings_and_variants(new_project: Callable[..., Project]) -> None:
    project = new_project()
    values = project.values
    values["pretraining"]["models"]["tiny"] |= {"steps": 4, "validate_every": 4, "warmup_steps": 1}
    write_second_species(project)
    values["genome"]["assemblies"]["other"] = {"path": "other.fa.gz", "min_contig_length": 1}
    species = {"type": "species", "assemblies": ["small", "other"], "length": 100, "windows": 40}
    values["finetuning"]["tasks"] = {"starts": dict(STARTS), "species": species}
    values["evaluation"] |= {
        "embeddings": ["species"],
        "variants": {"mine": {"file": "mine.tsv", "assembly": "small", "task": "starts"}},
    }
    write_variants(project)
    project.write()
    folder = "results/evaluation/tiny"
    goals = [f"{folder}/embeddings/species.json", f"{folder}/variants/mine.json"]
    figures = [
        "results/report/species_embeddings_tiny.svg",
        "results/report/variants_mine_tiny.svg",
    ]
    project.succeed(*goals, *figures, "results/report/starts.html")
    embedded, variants = (read_json(project.folder / goal) for goal in goals)
    assert embedded["names"] == ["small", "other"]
    # the other species is poor in G and C: its 4-mers tell it apart
    assert embedded["scores"]["kmer"]["linear"]["low"] > 0.7
    assert set(variants["all"]["scores"]) == {"pretrained", "scratch", "kmer", "likelihood"}
    assert variants["all"]["positives"] > 0 < variants["held_out"]["negatives"]
    scores = read_json(project.folder / folder / "starts.json")["scores"]["pretrained"]
    assert "CDS" in scores["by_region"] and "by_contig" not in scores
    page = (project.folder / "results/report/starts.html").read_text()
    assert "<h2>Scores by type of region and by contig</h2>" in page
    assert "<h2>Tuning: tiny</h2>" in page
    # more to evaluate is no reason to evaluate the rest again
    values["evaluation"]["embeddings"] = ["species", "starts"]
    project.write()
    assert project.planned(*goals, "results/report/starts_embeddings_tiny.svg") == {
        "evaluation_embeddings", "report_embeddings",
    }  # fmt: skip


def write_second_species(project: Project) -> None:
    rng = np.random.default_rng(5)
    with gzip.open(project.folder / "other.fa.gz", "wt") as file:
        for number in range(1, 5):
            bases = rng.choice(list("ACGT"), 4_000, p=[0.4, 0.1, 0.1, 0.4])
            file.write(f">chr{number}\n{''.join(bases)}\n")


def write_variants(project: Project) -> None:
    """Write single-base variants all over chromosomes I and VI, of either class by turns."""
    lines = []
    with pysam.FastxFile(str(project.folder / "data" / "small.fa.gz")) as records:
        for record in records:
            for place in range(500, len(record.sequence), 400):
                ref = record.sequence[place].upper()
                name = ("Benign", "Pathogenic")[place // 400 % 2]
                lines.append(f"{record.name}\t{place + 1}\t{name}\t{ref}\t{'CA'[ref == 'C']}\n")
    kept = [line for line in lines if "NC_001224" not in line]
    (project.folder / "mine.tsv").write_text("".join(kept))
