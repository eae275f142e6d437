"""Scores of a model on a task, beside the same model untrained and simple baselines.

Every choice was made on the validation split: of epochs by the runs, of k and penalty by the
k-mer regression, of the threshold between two classes here. The test split is read for the
final figures alone. Several runs of a model differ by their seed: a score is the mean over
them, and the interval is that of the mean when groups of homologous examples are resampled.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.evaluation.families import Family, resamplings
from pipeline_lib.evaluation.measures import Predicted, measures_of
from pipeline_lib.evaluation.metrics import best_threshold
from pipeline_lib.evaluation.predictions import read_predictions
from pipeline_lib.files import atomic_path, read_json, write_json
from pipeline_lib.finetuning.examples import Examples, read_examples
from pipeline_lib.intervals import Intervals
from pipeline_lib.progress import progress
from pipeline_lib.provenance import provenance

COORDINATES = ["example", "assembly", "contig", "strand", "position", "start", "end"]
OTHERS = ["kind", "gene", "group", "split"]

Floats = NDArray[np.floating]


def evaluate_task(
    examples: Path,
    stats: Path,
    baselines: Mapping[str, Path],
    runs: Mapping[str, Path],
    train_documents: Sequence[Path],
    output: Path,
    predictions: Path,
    settings: EvaluationConfig,
    *,
    name: str,
    task: str,
    seed: int,
) -> None:
    """Score all runs of a model on a task, and the baselines, with intervals.

    Parameters
    ----------
    examples
        ``examples.parquet`` of the task.
    stats
        Its ``stats.json``, which says how it was split and what leaks.
    baselines
        Predictions of each baseline, by its name.
    runs
        Folders with ``predictions.parquet``, by names such as ``pretrained-1``.
    train_documents
        ``documents.parquet`` of the training splits that the model was pretrained on.
    output, predictions
        JSON with the scores; Parquet with the predictions for every example beside its
        coordinates, or, where the target is labels, with the scores of every label.
    settings
        Resamplings and confidence.
    name, task
        Names of the model and the task.
    seed
        Seed of the resampling.

    Raises
    ------
    InputError
        If a file of predictions does not belong to these examples.
    """
    read = read_examples(examples)
    held = read.table[read.table["split"] != "train"].drop(columns="sequence")
    known = Examples(held.reset_index(drop=True), read.target)
    files = {run: path / "predictions.parquet" for run, path in sorted(runs.items())}
    files |= dict(baselines)
    families: dict[str, list[str]] = defaultdict(list)
    for run in files:
        families[run.rsplit("-", 1)[0] if run in runs else run].append(run)
    kept = _Kept(known)
    scores: dict[str, Any] = {}
    thresholds: dict[str, list[float]] = {}
    for family, members in progress(families.items(), "families of runs", unit="family"):
        chosen = {run: files[run] for run in members}
        scores[family], cuts = _score(known, chosen, settings, seed, kept)
        if cuts:
            thresholds[family] = cuts
    facts = read_json(stats)
    result = {
        "model": name,
        "task": task,
        **_about(known, settings),
        "protocol": facts.get("protocol", "strict"),
        "leak": facts.get("leak"),
        "seen_in_pretraining": _seen_share(known.of("test").table, train_documents),
        "scores": scores,
        "threshold": thresholds,
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs={"examples": examples, **files}, seed=seed
        ),
    }
    kept.write(predictions)
    write_json(output, result)


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


def choose_threshold(truth: Floats, scores: Floats) -> float:
    """Return the probability from which on the second class is called, best MCC first."""
    return best_threshold(truth[:, 0].astype(np.int64), scores[:, 1].astype(np.float64))


class _Kept:
    """What is kept of the predictions for the Parquet file, one run at a time."""

    def __init__(self, examples: Examples) -> None:
        target, table = examples.target, examples.table
        self.target = target
        if target.kind == "labels":
            test = examples.of("test").targets()
            self.columns: dict[str, Any] = {"label": list(target.names)}
            self.columns["group"] = [_group(target.groups, i) for i in range(target.outputs)]
            self.columns["positives"] = np.nansum(test, axis=0).astype(np.int64)
            self.columns["negatives"] = np.nansum(1 - test, axis=0).astype(np.int64)
            return
        self.columns = {column: table[column] for column in COORDINATES + OTHERS}
        if target.kind == "class":
            self.columns["label"] = examples.targets()[:, 0].astype(np.int64)
        else:
            self.columns["target"] = list(examples.targets())

    def add(self, run: str, scores: Floats, test: Predicted) -> None:
        """Keep the probability of the second class, all scores, or the areas of every label."""
        if self.target.kind == "labels":
            from pipeline_lib.evaluation.metrics_labels import label_areas

            areas = label_areas(test.truth, test.scores)[0]
            self.columns[f"auroc {run}"], self.columns[f"auprc {run}"] = areas.T
        elif self.target.kind == "class" and self.target.outputs == 2:
            self.columns[run] = scores[:, 1].astype(np.float64)
        else:
            self.columns[run] = list(scores)

    def write(self, path: Path) -> None:
        """Write the table."""
        table = pa.Table.from_pandas(pd.DataFrame(self.columns), preserve_index=False)
        with atomic_path(path) as temporary:
            pq.write_table(table.replace_schema_metadata(), temporary, compression="zstd")


def _score(
    known: Examples, files: dict[str, Path], settings: EvaluationConfig, seed: int, kept: _Kept
) -> tuple[dict[str, Any], list[float]]:
    """Return the scores of a family of runs, and the threshold of each of two classes."""
    split = known.table["split"].to_numpy()
    truth = known.targets()
    family = Family(known.of("test"), settings, seed=seed)
    cuts: list[float] = []
    for run, path in files.items():
        scores = read_predictions(path, known.table, known.target.outputs)
        valid, test = split == "valid", split == "test"
        if known.target.kind == "class" and known.target.outputs == 2:
            cuts.append(choose_threshold(truth[valid], scores[valid]))
        found = Predicted(truth[test], scores[test], cuts[-1] if cuts else 0.5)
        family.add(found)
        kept.add(run, scores, found)
    return family.result(), cuts


def _about(known: Examples, settings: EvaluationConfig) -> dict[str, Any]:
    """Return what the target is, and how many test examples there are."""
    test, target = known.of("test"), known.target
    measures = measures_of(target)
    about: dict[str, Any] = {
        "kind": target.kind,
        "names": list(target.names),
        "headline": measures.headline,
        "test_examples": len(test),
        "groups": int(test.table["group"].nunique()),
        "resamplings": resamplings(measures, target, len(test), settings),
    }
    truth = test.targets()
    if target.kind == "class":
        counts = np.bincount(truth[:, 0].astype(np.int64), minlength=target.outputs)
        if target.outputs == 2:
            about["positives"] = int(counts[1])
        about["test_classes"] = dict(zip(target.names, counts.tolist(), strict=True))
    elif target.kind == "labels":
        lacking = (np.nansum(truth, axis=0) == 0) | (np.nansum(1 - truth, axis=0) == 0)
        about["labels_of_one_value"] = int(lacking.sum())
    return about


def _seen_share(test: pd.DataFrame, documents: Sequence[Path]) -> float | None:
    """Return the share of examples seen in pretraining, of those that say where they lie."""
    placed = test[(test["contig"] != "") & (test["start"] >= 0)]
    return float(seen(placed, documents).mean()) if len(placed) else None


def _group(groups: Mapping[str, Sequence[int]], label: int) -> str:
    return next((name for name, labels in groups.items() if label in labels), "")
