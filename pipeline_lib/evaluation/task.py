"""Scores of a model on a task, beside the same model untrained and the k-mer regression.

Every choice was made on the validation split: of epochs by the runs, of k and C by the k-mer
regression, of the threshold here. The test split is read for the final figures alone. Several
runs of a model differ by their seed: a score is the mean over them, and the interval is that of
the mean when groups of homologous examples are resampled.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.metrics import (
    DECIDED,
    RANKED,
    auroc,
    best_threshold,
    calibration,
)
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.finetuning.examples import TRUE_SITE, read_examples
from pipeline_lib.intervals import Intervals
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator

KMERS = "kmer"
COORDINATES = ["example", "assembly", "contig", "strand", "position", "start", "end"]
LABELS = ["label", "kind", "gene", "group", "split"]

Array = NDArray[np.float64]
Statistic = Callable[[Array | None], Array]


def evaluate_task(
    examples: Path,
    kmers: Path,
    runs: dict[str, Path],
    train_documents: Sequence[Path],
    output: Path,
    predictions: Path,
    settings: EvaluationConfig,
    *,
    name: str,
    task: str,
    seed: int,
) -> None:
    """Score all runs of a model on a task, and the baseline, with intervals.

    Parameters
    ----------
    examples
        ``examples.parquet`` of the task.
    kmers
        Scores of the k-mer regression.
    runs
        Folders with ``predictions.parquet``, by names such as ``pretrained-1``.
    train_documents
        ``documents.parquet`` of the training splits that the model was pretrained on.
    output, predictions
        JSON with the scores; Parquet with those of every example beside its coordinates.
    settings
        Resamplings and confidence.
    name, task
        Names of the model and the task.
    seed
        Seed of the resampling.

    Raises
    ------
    InputError
        If a file of scores does not belong to these examples.
    """
    table = read_examples(examples)
    table = table[table["split"] != "train"][COORDINATES + LABELS].reset_index(drop=True)
    files = {KMERS: kmers} | {run: path / "predictions.parquet" for run, path in runs.items()}
    for run, path in files.items():
        table[run] = _read_scores(path, table)
    families: dict[str, list[str]] = defaultdict(list)
    for run in sorted(runs):
        families[run.rsplit("-", 1)[0]].append(run)
    families[KMERS] = [KMERS]
    test = table[table["split"] == "test"]
    scores, thresholds = {}, {}
    for family, members in families.items():
        thresholds[family] = choose_thresholds(table[table["split"] == "valid"], members)
        scores[family] = _score(test, members, thresholds[family], settings, seed)
    result = {
        "model": name,
        "task": task,
        "test_examples": len(test),
        "positives": int(test["label"].sum()),
        "groups": int(test["group"].nunique()),
        "seen_in_pretraining": float(seen(test, train_documents).mean()),
        "scores": scores,
        "threshold": thresholds,
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs={"examples": examples, **files}, seed=seed
        ),
    }
    written = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    with atomic_path(predictions) as temporary:
        pq.write_table(written, temporary, compression="zstd")
    write_json(output, result)


def choose_thresholds(valid: pd.DataFrame, runs: list[str]) -> list[float]:
    """Return, for each run, the threshold with the largest MCC on the validation examples."""
    labels = valid["label"].to_numpy()
    return [best_threshold(labels, valid[run].to_numpy()) for run in runs]


def seen(examples: pd.DataFrame, documents: Sequence[Path]) -> NDArray[np.bool_]:
    """Return for each example whether its window overlaps a document of pretraining."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for document in itertools.chain.from_iterable(map(read_documents, documents)):
        spans[document.assembly, document.contig].append((document.start, document.end))
    result = np.zeros(len(examples), dtype=bool)
    assemblies, contigs = examples["assembly"].to_numpy(), examples["contig"].to_numpy()
    starts, ends = examples["start"].to_numpy(), examples["end"].to_numpy()
    for (assembly, contig), pairs in spans.items():
        here = (assemblies == assembly) & (contigs == contig)
        result[here] = Intervals.of(pairs).overlaps(starts[here], ends[here])
    return result


def _score(
    test: pd.DataFrame,
    runs: list[str],
    thresholds: list[float],
    settings: EvaluationConfig,
    seed: int,
) -> dict[str, Any]:
    """Return all metrics of some runs of one family, with intervals."""
    labels = test["label"].to_numpy()
    scores = [test[run].to_numpy() for run in runs]
    called = [score >= cut for score, cut in zip(scores, thresholds, strict=True)]
    metrics: dict[str, list[Statistic]] = {
        metric: [_bind(function, labels, score) for score in scores]
        for metric, function in RANKED.items()
    }
    for metric, function in DECIDED.items():
        metrics[metric] = [_bind(function, labels, call) for call in called]
    by_kind = {}
    for kind in sorted(set(test["kind"]) - {TRUE_SITE}):
        pair = test["kind"].isin([TRUE_SITE, kind]).to_numpy()
        statistics = [_bind(auroc, labels[pair], score[pair]) for score in scores]
        by_kind[kind] = {"auroc": _summary(statistics, test[pair], settings, seed)}
    summaries = {
        metric: _summary(statistics, test, settings, seed) for metric, statistics in metrics.items()
    }
    per_seed = {
        metric: [float(statistic(None)[0]) for statistic in statistics]
        for metric, statistics in metrics.items()
    }
    pooled = calibration(np.tile(labels, len(runs)), np.concatenate(scores))
    return {**summaries, "per_seed": per_seed, "by_kind": by_kind, "calibration": pooled}


def _bind(function: Any, labels: NDArray[Any], values: NDArray[Any]) -> Statistic:
    return lambda weights: np.asarray(function(labels, values, weights))


def _summary(
    statistics: list[Statistic], examples: pd.DataFrame, settings: EvaluationConfig, seed: int
) -> dict[str, float]:
    """Return the mean of a statistic over runs, with the interval of that mean."""

    def mean(weights: Array | None) -> Array:
        return np.asarray(np.mean([statistic(weights) for statistic in statistics], axis=0))

    # The same resamplings for every model and metric, so that intervals compare like with like.
    generator = named_generator(seed, "task")
    groups = examples["group"].to_numpy()
    samples = resample(mean, groups, settings.bootstrap_samples, generator)
    return interval(float(mean(None)[0]), samples, settings.confidence)


def _read_scores(path: Path, examples: pd.DataFrame) -> Array:
    """Return the scores in a file in the order of the examples."""
    found = pq.read_table(path, columns=["example", "split", "score"]).to_pandas()
    joined = examples[["example", "split"]].merge(
        found, on=["example", "split"], how="left", validate="one_to_one"
    )
    missing = int(joined["score"].isna().sum())
    if missing or len(found) != len(examples):
        raise InputError(
            f"has scores of {len(found):,} examples, {missing:,} of {len(examples):,} are missing",
            path=path,
            expected="one score for each validation and test example of the task",
            remedy="delete this file and run the rule that makes it again",
        )
    return joined["score"].to_numpy(dtype=np.float64)
