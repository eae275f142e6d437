"""Figures and tables: right numbers, the same bytes each time, nothing from elsewhere."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.report.comparison import model_comparison
from pipeline_lib.report.corpus import corpus_overview
from pipeline_lib.report.costs import costs
from pipeline_lib.report.genome import assembly_overview
from pipeline_lib.report.predictions import task_predictions
from pipeline_lib.report.pretraining import bits_per_base, loss_curve
from pipeline_lib.report.style import Outputs
from pipeline_lib.report.summary import summary, summary_text
from pipeline_lib.report.task import calibration, task_scores
from pipeline_lib.report.tokenizer import token_lengths, tokenizer_comparison


def found(value: float, spread: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread}


@pytest.fixture
def contigs(tmp_path: Path) -> Path:
    path = tmp_path / "contigs.tsv"
    path.write_text(
        "name\tlength\tgc\tn_share\tsoft_masked_share\tmolecule\tkept\treason\tdescription\n"
        "chrI\t230218\t0.39\t0.0\t0.1\tnuclear\ttrue\t\tone\n"
        "chrM\t85779\t0.17\t0.0\t0.0\tmitochondrion\tfalse\tmitochondrion: name chrM\ttwo\n"
    )
    return path


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "stats.json"
    values = {
        "token_lengths": {"1": 5, "2": 16, "3": 40},
        "text_token_lengths": {"1": 100, "2": 500, "3": 300},
        "bases_per_token": 2.22, "vocab_size": 67, "tokens_used": 60,
        "reverse_complement_share": 0.5, "usage_entropy": 4.44, "unknown_share": 0.0,
    }  # fmt: skip
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "yeast" / "stats.json"
    counts = {"split_bases": 500_000, "bases": 1_000_000, "documents": 9, "sentences": 99}
    leak = {"valid": 0.1228, "test": 0.08}
    values = {
        "splits": dict.fromkeys(("train", "valid", "test"), counts),
        "leak": {"before": leak, "after": {"valid": 0.02, "test": 0.01}},
        "shares": {"S288C": 0.75, "RM11": 0.25}, "homology": "sketch",
    }  # fmt: skip
    path.parent.mkdir()
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.jsonl"
    lines: list[dict[str, float]] = []
    for step in range(10, 101, 10):
        lines.append(
            {
                "step": step,
                "loss": 7 - step / 100,
                "learning_rate": 1e-3 / step,
                "tokens_per_second": 900 + step,
                "elapsed": 6 * step,
            }
        )
        if step % 50 == 0:
            lines.append({"step": step, "valid_loss": 6.5, "valid_bits_per_base": 2.02})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    path = tmp_path / "pretraining.json"
    markov = {str(order): found(1.96 - order / 1000) for order in range(1, 6)}
    baselines = {"uniform": 2.0, "token_unigram": found(2.03), "markov": markov}
    values = {
        "model": "mini", "measure": "pseudo-likelihood", "bits_per_base": found(2.00),
        "baselines": baselines, "best_markov_order": 5, "family": "bert", "parameters": 1_612_000,
    }  # fmt: skip
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 200)
    frame = pd.DataFrame({"split": ["test"] * 150 + ["valid"] * 50, "label": labels})
    for run in ("pretrained-1", "pretrained-2", "scratch-1", "kmer"):
        frame[run] = np.clip(labels * 0.3 + generator.random(200) * 0.7, 0, 1)
    frame.to_parquet(tmp_path / "starts.parquet")
    return tmp_path / "starts.parquet"


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    def family(auroc: float) -> dict[str, Any]:
        metrics = {name: found(0.4) for name in ("auprc", "mcc", "f1", "brier", "ece")}
        bins = [
            {"low": low, "high": high, "mean_score": mean, "share_positive": share, "count": count}
            for low, high, mean, share, count in (
                (0.0, 0.5, 0.2, 0.1, 9), (0.5, 0.9, 0.7, 0.6, 4), (0.9, 1.0, 0.0, 0.0, 0),
            )
        ]  # fmt: skip
        kinds = {kind: {"auroc": found(auroc)} for kind in ("upstream", "in_frame")}
        return {"auroc": found(auroc), **metrics, "by_kind": kinds, "calibration": bins}

    values = {
        "model": "mini", "task": "starts", "seen_in_pretraining": 0.0,
        "kind": "class", "names": ["decoy", "tis"], "headline": "auroc", "protocol": "strict",
        "leak": {"exact": 0.0, "homologous": 0.0},
        "scores": {"pretrained": family(0.9), "scratch": family(0.895), "kmer": family(0.8)},
    }  # fmt: skip
    path = tmp_path / "starts.json"
    path.write_text(json.dumps(values))
    return path


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    folder = tmp_path / "benchmarks"
    for name, seconds in (("genome/a/prepare", 2.5), ("pretraining/mini/train", 200.0)):
        file = folder / f"{name}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t512.5\t-\n")
    return folder


DRAWINGS: dict[str, tuple[Callable[..., None], list[str], list[str]]] = {
    "assembly": (assembly_overview, ["contigs"], ["chrI", "dropped: mitochondrion"]),
    "corpus": (corpus_overview, ["corpus"], ["read 2.0 times", "12.3", "RM11"]),
    "tokenizers": (tokenizer_comparison, ["tokens"], ["67 tokens", "2.22", "98"]),
    "tokens": (token_lengths, ["tokens"], ["2.22 bases per token", "67 tokens, 60 used"]),
    "loss": (loss_curve, ["metrics"], ["best: 2.0200 bits per base"]),
    "bits": (bits_per_base, ["evaluated"], ["2.0000", "2.0300", "pseudo-likelihood"]),
    "models": (
        model_comparison,
        ["evaluated", "metrics"],
        ["1.61 M weights", "minutes of training", "Markov, order 3", "2.0000"],
    ),
    "scores": (task_scores, ["scores"], ["in the gene, in frame", "k-mer regression"]),
    "curves": (task_predictions, ["scores", "predictions"], ["pretrained model: 0.900"]),
    "calibration": (calibration, ["scores"], ["share that is tis"]),
    "costs": (costs, ["benchmarks"], ["pretraining mini train", "200 s"]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_figures_say_what_they_should_twice_alike(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    draw, fixtures, texts = DRAWINGS[name]
    inputs = [request.getfixturevalue(fixture) for fixture in fixtures]
    written = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        outputs = Outputs(folder / "f.svg", folder / "t.tsv", folder / "p.html")
        draw(*inputs, outputs=outputs)
        written.append([file.read_bytes() for file in sorted(folder.iterdir())])
    assert written[0] == written[1]
    svg = ElementTree.parse(tmp_path / "first" / "f.svg")
    content = " ".join("".join(element.itertext()) for element in svg.iter())
    for text in texts:
        assert text in content
    page = (tmp_path / "first" / "p.html").read_text()
    assert "src=" not in page and "http" not in page
    assert len(pd.read_csv(tmp_path / "first" / "t.tsv", sep="\t"))


def test_the_summary_compares_and_does_not_boast(
    evaluated: Path, scores: Path, tmp_path: Path
) -> None:
    text = summary_text({"mini": evaluated}, [scores])
    assert "0.0300 better than its own tokens taken one by one" in text
    assert "0.0450 worse than the best Markov model (order 5)" in text
    assert "no measurable difference from the same model without pretraining (0.895)" in text
    assert "better than the k-mer regression (0.800)" in text
    assert "homologous" not in text
    table, page = tmp_path / "summary.tsv", tmp_path / "summary.html"
    summary([evaluated], [scores], title="A <title>", table=table, page=page)
    html = page.read_text()
    assert "A &lt;title&gt;" in html and "pseudo-likelihood" in html
    assert "http" not in html.replace("http-equiv", "")
    values = pd.read_csv(table, sep="\t").set_index(["measure", "what"])["value"]
    assert values["bits per base", "Markov order 5"] == pytest.approx(1.955)
    assert values["starts AUROC", "k-mer regression"] == 0.8


def test_overlapping_intervals_are_not_called_better(evaluated: Path, scores: Path) -> None:
    values = json.loads(evaluated.read_text())
    values["bits_per_base"] = found(2.025)
    evaluated.write_text(json.dumps(values))
    assert "though their intervals overlap" in summary_text({"mini": evaluated}, [scores])


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": "x"}'])
def test_a_damaged_result_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pretraining.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"pretraining\.json"):
        summary_text({"x": path}, [])
