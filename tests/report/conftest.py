"""Real results of tasks of every kind, scored as the workflow does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.constant import evaluate_constant
from pipeline_lib.evaluation.kmer import evaluate_kmers
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.finetuning.examples import Examples, write_examples
from tests.evaluation import tasks

MAKERS: dict[str, Callable[[], Examples]] = {
    "sites": tasks.start_sites,
    "classes": tasks.composition_classes,
    "labels": tasks.composition_labels,
    "numbers": tasks.composition_numbers,
}
SETTINGS = EvaluationConfig(bootstrap_samples=100, baseline_kmers=(1,))


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder ``results`` with a task of every kind, scored for the model ``mini``."""
    folder = tmp_path_factory.mktemp("results")
    for task in MAKERS:
        add_task(folder, task, MAKERS[task](), noise=0.6)
    add_task(folder, "sites.paper", MAKERS["sites"](), noise=0.2, protocol="paper", leak=0.375)
    return folder


def add_task(
    folder: Path, task: str, examples: Examples, *, noise: float, protocol="strict", leak=0.0
) -> None:
    """Write examples, predictions and scores of a task, and what its runs cost."""
    dataset = folder / "finetuning" / "datasets" / task
    dataset.mkdir(parents=True)
    write_examples(dataset / "examples.parquet", examples)
    tasks.write_stats(dataset / "stats.json", protocol, leak / 3, leak)
    baselines = {
        name: folder / "baselines" / task / f"{name}.parquet" for name in ("constant", "kmer")
    }
    evaluate_constant(dataset / "examples.parquet", baselines["constant"], SETTINGS, seed=1)
    evaluate_kmers(dataset / "examples.parquet", baselines["kmer"], SETTINGS, seed=1)
    runs = {f"{init}-{n}": folder / "finetuning" / "mini" / task / f"{init}-{n}"
            for init in ("pretrained", "scratch") for n in (1, 2)}  # fmt: skip
    for number, (run, place) in enumerate(runs.items()):
        place.mkdir(parents=True)
        guess(examples, noise * (1 + number / 2), number).to_parquet(place / "predictions.parquet")
        (place / "metrics.jsonl").write_text('{"epoch": 1, "seconds": 90}\n{"seconds": 30}\n')
        benchmark = folder / "benchmarks" / "finetuning" / "mini" / task / f"{run}.tsv"
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text(f"s\tmax_rss\n500\t{400 + number}.5\n")
    place = folder / "evaluation" / "mini"
    evaluate_task(
        dataset / "examples.parquet", dataset / "stats.json", baselines, runs, [],
        place / f"{task}.json", place / f"{task}.parquet", SETTINGS,
        name="mini", task=task, seed=1,
    )  # fmt: skip


def guess(examples: Examples, noise: float, seed: int) -> pd.DataFrame:
    """Return the truth with noise, as predictions."""
    rng = np.random.default_rng(seed)
    held = examples.table[examples.table["split"] != "train"]
    truth = np.nan_to_num(Examples(held, examples.target).targets())
    if examples.target.kind == "class":
        truth = np.eye(examples.target.outputs)[truth[:, 0].astype(int)]
    scores = truth + rng.normal(0, noise * truth.std(axis=0), truth.shape)
    if examples.target.kind == "class":
        scores = np.exp(3 * scores) / np.exp(3 * scores).sum(axis=1, keepdims=True)
    elif examples.target.kind == "labels":
        scores = 1 / (1 + np.exp(4 - 8 * scores))
    return held[["example", "split"]].assign(scores=list(scores.astype(np.float32)))
