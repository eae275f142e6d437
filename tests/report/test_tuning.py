"""Curves of tuning, scores by place, and the page of a task."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline_lib.report.style import Outputs
from pipeline_lib.report.task import task_places
from pipeline_lib.report.tuning import task_page, tuning_curves


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(*(tmp_path / f"sites_training_mini.{end}" for end in ("svg", "tsv", "html")))


def write_runs(folder: Path, across: str) -> list[Path]:
    paths = []
    for run in ("pretrained-1", "scratch-1"):
        lines = [{across: 10.0**n, "valid_auroc": 0.5 + n / 10, "loss": 1 / n} for n in (1, 2, 3)]
        path = folder / run / "metrics.jsonl"
        path.parent.mkdir()
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        paths.append(path)
    return paths


@pytest.mark.parametrize("across", ["epoch", "penalty"])
def test_curves_of_runs(tmp_path: Path, outputs: Outputs, across: str) -> None:
    tuning_curves(*write_runs(tmp_path, across), outputs=outputs)
    table = pd.read_csv(outputs.table, sep="\t")
    assert table["run"].tolist() == ["pretrained-1"] * 3 + ["scratch-1"] * 3
    assert table["valid_auroc"].tolist() == pytest.approx([0.6, 0.7, 0.8] * 2)
    assert table[across].tolist() == [10, 100, 1000] * 2
    drawn = outputs.figure.read_text()
    assert "same model, not pretrained" in drawn and "AUROC" in drawn


def test_scores_by_place(results: Path, outputs: Outputs) -> None:
    source = json.loads((results / "evaluation" / "mini" / "sites.json").read_text())
    for number, found in enumerate(source["scores"].values()):
        item = {"auroc": {"value": 0.6 + number / 50, "low": 0.5, "high": 0.8}, "examples": 30}
        found["by_region"] = {"CDS": item}
        found["by_contig"] = {"chrI": item, "chrII": item}
    path = outputs.table.with_name("changed.json")
    path.write_text(json.dumps(source))
    task_places(path, outputs=outputs)
    table = pd.read_csv(outputs.table, sep="\t")
    assert set(table["place"]) == {"CDS", "chrI", "chrII"}
    assert set(table["by"]) == {"region", "contig"}
    assert table.loc[table["what"] == "pretrained model", "value"].tolist() == [0.6] * 3
    assert all(name in outputs.figure.read_text() for name in ("CDS", "chrII", "all examples"))


def test_scores_of_tasks_without_places(results: Path, outputs: Outputs) -> None:
    task_places(results / "evaluation" / "mini" / "classes.json", outputs=outputs)
    assert len(pd.read_csv(outputs.table, sep="\t")) == 0
    assert "all examples" in outputs.figure.read_text()


def test_the_page_holds_all_figures(tmp_path: Path, results: Path, outputs: Outputs) -> None:
    tuning_curves(*write_runs(tmp_path, "epoch"), outputs=outputs)
    page = tmp_path / "sites.html"
    scores = results / "evaluation" / "mini" / "sites.json"
    task_page([scores], [outputs.figure], task="sites", page=page)
    text = page.read_text()
    assert "<h1>Task sites</h1>" in text and "<h2>Tuning: mini</h2>" in text
    assert text.count("data:image/svg+xml;base64,") == 1
    assert "mini on sites: AUROC 0." in text
    assert "http" not in text.replace("http://www.w3.org", "")
