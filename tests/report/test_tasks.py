"""Figures of tasks of every kind, made from real results."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from pipeline_lib.report.leaderboard import leaderboard
from pipeline_lib.report.predictions import task_predictions
from pipeline_lib.report.scores import read_task, rows
from pipeline_lib.report.style import Outputs
from pipeline_lib.report.summary import summary, summary_text
from pipeline_lib.report.task import calibration, task_scores

KINDS = ("sites", "classes", "labels", "numbers")


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "f.svg", tmp_path / "t.tsv", tmp_path / "p.html")


def texts(outputs: Outputs) -> str:
    svg = ElementTree.parse(outputs.figure)
    return " ".join("".join(element.itertext()) for element in svg.iter())


def table(outputs: Outputs) -> pd.DataFrame:
    return pd.read_csv(outputs.table, sep="\t")


def scored(results: Path, task: str) -> Path:
    return results / "evaluation" / "mini" / f"{task}.json"


@pytest.mark.parametrize(
    ("task", "metric", "parts"),
    [
        ("sites", "AUROC", ["upstream of the start", "between genes"]),
        ("classes", "MCC", []),
        ("labels", "Median AUROC", ["even", "odd"]),
        ("numbers", "Pearson r", ["expression", "given"]),
    ],
)
def test_scores_of_any_kind(results: Path, outputs: Outputs, task, metric, parts) -> None:
    task_scores(scored(results, task), outputs=outputs)
    content = texts(outputs)
    for text in (
        f"{metric} on test examples",
        "all examples",
        "same model, not pretrained",
        *parts,
    ):
        assert text in content
    frame = table(outputs)
    found = read_task(scored(results, task))
    row = frame[(frame["what"] == "k-mer regression") & (frame["examples"] == "all")]
    values = row.set_index("metric")["value"]
    assert values[metric] == pytest.approx(found["scores"]["kmer"][found["headline"]]["value"])
    assert len(frame) == len(list(rows(found)))


@pytest.mark.parametrize("task", KINDS)
def test_calibration_of_any_kind(results: Path, outputs: Outputs, task: str) -> None:
    calibration(scored(results, task), outputs=outputs)
    frame = table(outputs)
    assert set(frame["family"]) == {
        "pretrained model", "same model, not pretrained", "k-mer regression"
    }  # fmt: skip
    assert {"sites": "share that is tis", "classes": "share called right"}.get(
        task, "labels present" if task == "labels" else "measured expression"
    ) in texts(outputs)


def draw(results: Path, outputs: Outputs, task: str) -> pd.DataFrame:
    path = scored(results, task)
    task_predictions(path, path.with_suffix(".parquet"), outputs=outputs)
    return table(outputs)


def test_confusion_of_classes(results: Path, outputs: Outputs) -> None:
    frame = draw(results, outputs, "classes")
    held = pd.read_parquet(scored(results, "classes").with_suffix(".parquet"))
    test = held[held["split"] == "test"]
    calls = np.stack(test["kmer"].to_list()).argmax(axis=1)
    expected = recall_score(test["label"], calls, average=None)
    np.testing.assert_allclose(frame["found by k-mer regression"], expected)
    assert list(frame["is"]) == ["a", "c", "g"]
    assert "Recall" in texts(outputs)


def test_scatter_of_numbers(results: Path, outputs: Outputs) -> None:
    frame = draw(results, outputs, "numbers")
    assert len(frame) == 80
    assert "measured expression" in texts(outputs) and "Pearson r 0." in texts(outputs)
    found = read_task(scored(results, "numbers"))["scores"]["kmer"]["pearson"]["value"]
    columns = frame["measured expression"], frame["predicted by k-mer regression"]
    assert np.corrcoef(*columns)[0, 1] == pytest.approx(found)


def test_labels_one_by_one(results: Path, outputs: Outputs) -> None:
    frame = draw(results, outputs, "labels")
    assert list(frame["label"]) == ["l0", "l1", "l2", "l3"]
    assert set(frame["group"]) == {"even", "odd"}
    found = read_task(scored(results, "labels"))["scores"]["kmer"]["median_auroc"]["value"]
    assert frame["AUROC, k-mer regression"].median() == pytest.approx(found)
    assert "AUROC of a label" in texts(outputs)


def test_curves_of_two_classes(results: Path, outputs: Outputs) -> None:
    frame = draw(results, outputs, "sites")
    held = pd.read_parquet(scored(results, "sites").with_suffix(".parquet"))
    test = held[held["split"] == "test"]
    expected = roc_auc_score(test["label"], test["kmer"])
    rates = frame["true positive rate, k-mer regression"]
    area = np.trapezoid(rates, frame["false positive rate or recall"])
    assert area == pytest.approx(expected, abs=0.01)


def test_the_leaderboard_ranks_models_and_names_the_leak(results: Path, outputs: Outputs) -> None:
    files = [scored(results, task) for task in (*KINDS, "sites.paper")]
    leaderboard(*files, folder=results, launched=["classes"], outputs=outputs)
    frame = table(outputs).set_index(["task", "protocol", "who"])
    content = texts(outputs)
    assert "published split: 38% of the test leaked" in content
    assert "mean rank over tasks" in content and "Median AUROC" in content
    own = frame.loc["sites", "strict", "mini"]
    assert (own["minutes of tuning"], own["peak memory (MB)"]) == (2.0, 401.5)
    assert np.isnan(frame.loc["classes", "strict", "mini"]["peak memory (MB)"])
    assert frame.loc["sites", "paper", "mini"]["value"] > own["value"]
    for _, part in frame.groupby(["task", "protocol"]):
        known = part[part["value"].notna()]
        assert known.loc[known["value"].idxmax(), "rank"] == 1
        assert (part["of"] == 4).all()
    # The constant has no correlation: it is last, not first.
    assert frame.loc["numbers", "strict", "always the same"]["rank"] == 4


def test_the_summary_speaks_of_every_kind(results: Path, tmp_path: Path) -> None:
    files = [scored(results, task) for task in (*KINDS, "sites.paper")]
    text = summary_text({}, files)
    assert "mini on numbers: Pearson r 0." in text
    assert "mini on labels: Median AUROC 0." in text
    assert "37.5% a homologous one (protocol: paper)" in text
    assert "overlap sequence seen in pretraining" in text
    numbers = next(line for line in text.splitlines() if line.startswith("- mini on numbers"))
    assert "pretraining." not in numbers  # made-up sequences lie nowhere in a genome
    summary([], files, title="T", table=tmp_path / "s.tsv", page=tmp_path / "s.html")
    frame = pd.read_csv(tmp_path / "s.tsv", sep="\t").set_index(["measure", "what"])
    assert np.isnan(frame.loc[("numbers Pearson r", "always the same"), "value"])
    assert (tmp_path / "s.html").read_text().count("<svg") == 5


def test_figures_are_the_same_on_every_run(results: Path, tmp_path: Path) -> None:
    written = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        for task in ("classes", "labels"):
            outputs = Outputs(*(folder / f"{task}.{end}" for end in ("svg", "tsv", "html")))
            draw(results, outputs, task)
        written.append([file.read_bytes() for file in sorted(folder.iterdir())])
    assert written[0] == written[1]
