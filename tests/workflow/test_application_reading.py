"""Embeddings and tracks by the workflow: entries of the configuration, made for real."""

import json
from collections.abc import Callable

import pandas as pd

from tests.workflow.conftest import Project


def test_embeddings_and_tracks_are_made(new_project: Callable[..., Project]) -> None:
    project = new_project()
    values = project.values
    values["pretraining"]["models"]["tiny"] |= {"steps": 4, "validate_every": 4, "warmup_steps": 1}
    values["finetuning"]["tasks"]["starts"] |= {"max_training_examples": 100}
    rows = [("I", 1000 * n, 1000 * n + 60 + n, "even" if n % 2 else "odd") for n in range(1, 31)]
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    (project.folder / "regions.bed").write_text(text)
    values["application"] = {
        "embeddings": {
            "places": {"file": "regions.bed", "assembly": "small", "label": "name"},
        },
        "annotations": {
            "starts": {
                "assembly": "small", "task": "starts", "contigs": ["VI"], "only": "ATG",
                "strands": "each",
            },
        },
    }  # fmt: skip
    project.write()
    project.succeed("application")
    folder = project.folder / "results" / "application" / "tiny"
    table = pd.read_parquet(folder / "embeddings" / "places.parquet")
    assert table["name"].tolist() == [row[3] for row in rows]
    assert {len(vector) for vector in table["embedding"]} == {32}
    scores = pd.read_csv(folder / "embeddings" / "places.tsv", sep="\t")
    assert set(scores["what"]) == {"embeddings", "4-mers"}
    about = json.loads((folder / "annotations" / "starts" / "annotation.json").read_text())
    assert about["settings"]["window"] == 123  # as in training
    assert about["files"] == ["tis.forward.bw", "tis.reverse.bw"]
    assert sum(about["bases_with_values"].values()) > 1000
