"""Explanations as outputs of the workflow."""

import json

from tests.workflow.conftest import Project


def test_explanations_of_tuned_and_pretrained_models(finished: Project) -> None:
    """Entries beside a finished run add their jobs, and nothing is made again."""
    project = Project(finished.folder, finished.root, prefix=finished.prefix)
    (project.folder / "own.fa").write_text(">a\n" + "ACGTTGCATCAT" * 8 + "\n")
    (project.folder / "own.jaspar").write_text(">m x\nA 9 0 0\nC 0 0 0\nG 0 0 9\nT 0 9 0\n")
    project.values["application"] = {
        "explanations": {
            "starts": {
                "task": "starts", "assembly": "small", "where": {"kind": "tis"},
                "sequences": 3, "logos": 1, "motifs": "own.jaspar",
            },
            "path": {"method": "gradients", "task": "starts", "sequences": 3, "logos": 0},
            "likelihood": {"file": "own.fa", "average": False},
        }
    }  # fmt: skip
    project.write()
    folder = project.folder / "results" / "application" / "tiny" / "explanations"
    try:
        jobs = project.jobs("application")
        assert jobs["application_explanation"] == 3
        assert set(jobs) == {"application", "application_explanation", "total"}
        project.succeed("application")
        for name, files in {
            "starts": {"average.svg", "motifs.tsv", "importance.bedgraph", "index.html"},
            "path": {"average.svg", "bases.parquet"},
            "likelihood": {"sequences.tsv", "logos"},
        }.items():
            assert files <= {file.name for file in (folder / name).iterdir()}
        about = json.loads((folder / "starts" / "explain.json").read_text())
        assert about["settings"]["where"] == {"split": "test", "kind": "tis"}
        assert project.planned("application") == set()
        project.succeed("--report", "application.html", "application")
        assert "explanation starts" in (project.folder / "application.html").read_text()

        project.values["application"]["explanations"]["path"]["task"] = "startz"
        project.write()
        answer = project.run("--dry-run", "application")
        assert answer.returncode != 0
        assert "did you mean 'starts'?" in answer.stdout + answer.stderr
    finally:
        finished.write()
