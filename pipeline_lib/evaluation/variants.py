"""What models say of variants in the windows of a task: does a variant change the call?

As GENA-LM does with variants of ClinVar in promoters (Fishman et al. 2025): a variant's score is
the largest change, over the windows that hold it, of the log-odds of the second class between
reference and alternative allele, in size. Here either strand is asked and the two are averaged.
Beside tuned models stand the k-mer regression, fitted to the same task, and what the pretrained
model says without tuning: the log-likelihood ratio of the alleles.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig, Variants
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.metrics import auroc, ratio
from pipeline_lib.evaluation.variant_effects import (
    kmer_changes,
    largest_changes,
    tuned_changes,
    unlikelihoods,
    windows_with,
)
from pipeline_lib.evaluation.variant_files import read_variants
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.finetuning.examples import Examples, read_examples
from pipeline_lib.genome.reader import Genome
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator

Array = NDArray[np.float64]


def evaluate_variants(
    variants: Path,
    genome: Path,
    examples: Path,
    model: Path,
    runs: Mapping[str, Path],
    output: Path,
    table: Path,
    about: Variants,
    settings: EvaluationConfig,
    *,
    name: str,
    variants_name: str,
    seed: int,
    threads: int,
) -> None:
    """Score variants, and measure how well the scores tell the two classes apart.

    Parameters
    ----------
    variants
        File of variants; see :func:`pipeline_lib.evaluation.variant_files.read_variants`.
    genome
        Folder of the assembly.
    examples
        ``examples.parquet`` of the task.
    model
        Pretrained model folder.
    runs
        Folders ``model`` of tuned models, by names such as ``pretrained-1``.
    output
        JSON: for each family the AUROC and the difference of means of variants with and without
        an effect, with intervals from resampling groups of neighbouring variants; of all variants
        and of those in windows that no model was trained on.
    table
        Parquet: every variant with its scores.
    about
        Classes, and how near variants belong together.
    settings
        k-mers, resamplings and confidence.
    name, variants_name
        Names of the model and of the variants.
    seed
        Of the k-mer regression and the resampling.
    threads
        CPU threads.

    Raises
    ------
    InputError
        If the file cannot be used, the task has no windows with coordinates, or a class has no
        variant in any window.
    """
    torch.set_num_threads(threads)
    read = read_examples(examples)
    with Genome(genome) as reader:
        found, left_out = read_variants(variants, about, reader)
        windows = windows_with(found, _windows(read, examples), reader)
    inside = found.loc[np.unique(windows["variant"])]
    left_out["outside of all windows"] = len(found) - len(inside)
    _check_classes(inside, variants, about)
    scored = inside.assign(
        group=_groups(inside, about.group_distance),
        in_training=[(windows.loc[windows["variant"] == v, "split"] == "train").any()
                     for v in inside.index],
    )  # fmt: skip
    families: dict[str, list[str]] = defaultdict(list)
    for run, folder in runs.items():
        scored[run] = largest_changes(tuned_changes(folder, windows), windows, inside)
        families[run.rpartition("-")[0]].append(run)
    scored["kmer"] = largest_changes(kmer_changes(read, windows, settings, seed), windows, inside)
    scored["likelihood"] = unlikelihoods(model, windows, settings, seed, inside)
    families |= {"kmer": ["kmer"], "likelihood": ["likelihood"]}
    held_out = ~scored["in_training"].to_numpy()
    result = {
        "model": name,
        "variants": variants_name,
        "task": about.task,
        "left_out": dict(sorted(left_out.items())),
        "windows": len(windows),
        "all": _measured(scored, families, settings, seed),
        "held_out": _measured(scored[held_out], families, settings, seed),
        "provenance": provenance(
            settings.model_dump(mode="json") | {"about": about.model_dump(mode="json")},
            inputs={"variants": variants, "examples": examples},
            seed=seed,
        ),
    }
    with atomic_path(table) as temporary:
        saved = pa.Table.from_pandas(scored, preserve_index=False)
        pq.write_table(saved.replace_schema_metadata(), temporary, compression="zstd")
    write_json(output, result)


def _windows(examples: Examples, path: Path) -> pd.DataFrame:
    """Return the windows of the second class of a task."""
    table = examples.table
    placed = (table["contig"] != "") & (table["start"] >= 0)
    if examples.target.kind != "class" or examples.target.outputs != 2 or not placed.any():
        raise InputError(
            "the examples are not of two classes, or do not say where in the genome they lie",
            path=path,
            expected="windows around promoters or other sites",
            remedy="name a task of `type: promoters` or `gene_starts` in `evaluation.variants`",
        )
    rows: pd.DataFrame = table[placed & (examples.targets()[:, 0] == 1)]
    return rows[["contig", "start", "end", "strand", "split", "focus"]]


def _check_classes(variants: pd.DataFrame, path: Path, about: Variants) -> None:
    counts = [int((variants["label"] == label).sum()) for label in (1, 0)]
    if not all(counts):
        raise InputError(
            f"{counts[0]} variants with and {counts[1]} without an effect lie in the windows of "
            f"task {about.task!r}",
            path=path,
            expected="some of either class",
            remedy="give more variants, or a task with more or longer windows",
        )


def _groups(variants: pd.DataFrame, distance: int) -> NDArray[np.int64]:
    """Number groups of variants, each nearer than a distance to the next; sorted by place."""
    contig, position = variants["contig"].to_numpy(), variants["position"].to_numpy()
    apart = (contig[1:] != contig[:-1]) | (np.diff(position) >= distance)
    return np.asarray(np.concatenate([[0], np.cumsum(apart)]), dtype=np.int64)


def _measured(
    scored: pd.DataFrame, families: Mapping[str, list[str]], settings: EvaluationConfig, seed: int
) -> dict[str, Any]:
    """Return counts, and for each family its scores, the mean over its runs."""
    labels = scored["label"].to_numpy(np.int64)
    result: dict[str, Any] = {"positives": int(labels.sum()), "negatives": int((1 - labels).sum())}
    scores: dict[str, Any] = {}
    for family, members in families.items():
        values = scored[members].to_numpy(np.float64)
        known = np.isfinite(values).all(axis=1)
        if len(np.unique(labels[known])) < 2:
            continue
        own, columns = labels[known], values[known].T
        groups = scored["group"].to_numpy()[known]
        ones = np.ones((1, len(own)))
        scores[family] = {"variants": len(own), "groups": len(np.unique(groups))}
        for metric, statistic in (("auroc", _area), ("difference", _difference)):
            own_statistic = partial(statistic, own, columns)
            value = float(own_statistic(ones)[0])
            generator = named_generator(seed, "variants")
            samples = resample(own_statistic, groups, settings.bootstrap_samples, generator)
            scores[family][metric] = interval(value, samples, settings.confidence)
    return {**result, "scores": scores}


def _area(labels: NDArray[np.int64], columns: Array, weights: Array) -> Array:
    """Return the mean AUROC of runs; (samples,)."""
    return np.asarray(np.mean([auroc(labels, column, weights) for column in columns], axis=0))


def _difference(labels: NDArray[np.int64], columns: Array, weights: Array) -> Array:
    """Return how much higher variants with an effect score, of the mean of runs; (samples,)."""
    mean = columns.mean(axis=0)
    means = []
    for label in (1, 0):
        own = labels == label
        means.append(ratio(weights[:, own] @ mean[own], weights[:, own].sum(axis=1)))
    return np.asarray(means[0] - means[1])
