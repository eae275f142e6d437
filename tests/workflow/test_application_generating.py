"""New sequence and artificial genomes by the workflow."""

import json

import pysam

from pipeline_lib.application.haplotypes.files import read_panel, write_panel
from tests.application.haplotypes.test_haplotype_models import two_populations
from tests.workflow.conftest import Project

PANEL = {
    "file": "real.vcf.gz", "compare": {"other": "other.vcf.gz"}, "count": 60, "format": "vcf.gz",
    "training": {"layers": 1, "width": 16, "heads": 2, "epochs": 1},
}  # fmt: skip


def test_sequences_and_artificial_genomes_are_made(finished: Project) -> None:
    """A model that writes is added to a finished run, and nothing is made again."""
    project = Project(finished.folder, finished.root, prefix=finished.prefix)
    values = project.values
    values["run"]["models"] = ["tiny", "writer"]
    values["pretraining"]["models"]["writer"] = values["pretraining"]["models"]["tiny"] | {
        "preset": "dnagpt-mini",
        "architecture": {"layers": 1, "width": 32, "heads": 2, "feedforward_width": 64},
        "steps": 4, "validate_every": 4, "warmup_steps": 1,
    }  # fmt: skip
    write_panel(project.folder / "real.vcf.gz", two_populations(120))
    write_panel(project.folder / "other.vcf.gz", two_populations(60, seed=9))
    values["application"] = {
        "generations": {"some": {"count": 3, "length": 100, "prompt": "ATG", "assembly": "small"}},
        "haplotypes": {"panel": PANEL},
    }
    project.write()
    try:
        rules = ("generation", "haplotypes_train", "haplotypes_generate", "haplotypes_report")
        expected = {"application", "pretraining_train", *(f"application_{rule}" for rule in rules)}
        assert project.planned("application") == expected
        project.succeed("application")
        check_outputs(project)
        assert project.planned("application") == set()

        values["application"]["generations"]["some"]["models"] = ["tiny"]
        project.write()
        answer = project.run("--dry-run", "application")
        assert answer.returncode != 0
        assert "needs models of the next token, which tiny is not" in answer.stdout + answer.stderr
    finally:
        finished.write()


def check_outputs(project: Project) -> None:
    folder = project.folder / "results" / "application"
    assert not (folder / "tiny" / "generations").exists()  # it sees both sides of a base
    with pysam.FastxFile(str(folder / "writer" / "generations" / "some.fa")) as records:
        sequences = [str(record.sequence) for record in records]
    assert [len(letters) for letters in sequences] == [103] * 3
    assert all(letters.startswith("ATG") for letters in sequences)
    summary = json.loads((folder / "writer" / "generations" / "some.fa.json").read_text())
    assert 0 < summary["distance_3mers"]["generated"] < 1
    panel = folder / "haplotypes" / "panel"
    assert read_panel(panel / "artificial.vcf.gz").alleles.shape == (60, 23)
    about = json.loads((panel / "report" / "scores.json").read_text())
    assert list(about["scores"])[:2] == ["ours", "other"] and about["split"]["seed"] == 7
