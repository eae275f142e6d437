"""New sequence and artificial genomes by the workflow."""

import json
from collections.abc import Callable

import pysam

from pipeline_lib.application.haplotypes.files import read_panel, write_panel
from tests.application.haplotypes.test_haplotype_models import two_populations
from tests.workflow.conftest import Project


def test_sequences_and_artificial_genomes_are_made(new_project: Callable[..., Project]) -> None:
    project = new_project()
    values = project.values
    values["run"] = {"models": ["tiny", "writer"], "tasks": []}
    tiny = values["pretraining"]["models"]["tiny"]
    tiny |= {"steps": 4, "validate_every": 4, "warmup_steps": 1}
    values["pretraining"]["models"]["writer"] = tiny | {
        "preset": "dnagpt-mini",
        "architecture": {"layers": 1, "width": 32, "heads": 2, "feedforward_width": 64},
    }
    panel = two_populations(120)
    write_panel(project.folder / "real.vcf.gz", panel)
    write_panel(project.folder / "other.vcf.gz", two_populations(60, seed=9))
    values["application"] = {
        "generations": {"some": {"count": 3, "length": 100, "prompt": "ATG", "assembly": "small"}},
        "haplotypes": {
            "panel": {
                "file": "real.vcf.gz", "compare": {"other": "other.vcf.gz"}, "count": 60,
                "format": "vcf.gz", "training": {"layers": 1, "width": 16, "heads": 2, "epochs": 2},
            },
        },
    }  # fmt: skip
    project.write()
    project.succeed("application")
    folder = project.folder / "results" / "application"
    assert not (folder / "tiny" / "generations").exists()  # it sees both sides of a base
    with pysam.FastxFile(str(folder / "writer" / "generations" / "some.fa")) as records:
        sequences = [record.sequence for record in records]
    assert [len(letters) for letters in sequences] == [103] * 3
    assert all(letters.startswith("ATG") for letters in sequences)
    summary = json.loads((folder / "writer" / "generations" / "some.fa.json").read_text())
    assert 0 < summary["distance_3mers"]["generated"] < 1
    made = read_panel(folder / "haplotypes" / "panel" / "artificial.vcf.gz")
    assert made.alleles.shape == (60, 23)
    about = json.loads((folder / "haplotypes" / "panel" / "report" / "scores.json").read_text())
    assert list(about["scores"])[:2] == ["ours", "other"] and about["split"]["seed"] == 7
    assert project.planned("application") == set()

    values["application"]["generations"]["some"]["models"] = ["tiny"]
    project.write()
    answer = project.run("--dry-run", "application")
    assert answer.returncode != 0
    assert "needs models of the next token, which tiny is not" in answer.stdout + answer.stderr
