"""Labelled variants told apart by their scores, as LOGO does, with nested cross-validation.

Gradient boosting on the scores of a model; its settings are chosen inside the training part of
every fold. Variants of one locus are never parted between training and test: neighbours share
their windows. Beside it stand the same machinery on what no model is needed for: the k-mers around
a variant with the alleles, and its position. Neither knows of conservation.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.fasta import Sequences, open_genome
from pipeline_lib.application.scoring.alleles import UpperCase
from pipeline_lib.application.scoring.labelled import Labelled, read_labelled
from pipeline_lib.config.application_scoring import PrioritySettings
from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.metrics import auprc, auroc
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.progress import progress
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import base_codes, kmer_codes

Array = NDArray[np.float64]
CONFIDENCE = 0.95
GRID: tuple[dict[str, Any], ...] = (
    {"max_leaf_nodes": 3, "min_samples_leaf": 5, "learning_rate": 0.05, "l2_regularization": 1.0},
    {"max_leaf_nodes": 7, "min_samples_leaf": 10, "learning_rate": 0.05, "l2_regularization": 1.0},
    {"max_leaf_nodes": 15, "min_samples_leaf": 20, "learning_rate": 0.1, "l2_regularization": 1.0},
    {"max_leaf_nodes": 31, "min_samples_leaf": 50, "learning_rate": 0.1, "l2_regularization": 0.0},
)
"""Settings of the classifier among which the inner folds choose."""
TREES = 100


def prioritise(
    variants: Path,
    genome: Path,
    output: Path,
    table: Path,
    settings: PrioritySettings,
    *,
    seed: int,
) -> None:
    """Measure how well scores tell variants with an effect from those without one.

    Parameters
    ----------
    variants
        Scored VCF or table with classes; see :func:`~.labelled.read_labelled`.
    genome
        FASTA, or the folder of a prepared genome.
    output
        JSON: for each family of features AUROC and AUPRC with intervals from resampling loci.
    table
        TSV: every variant with its out-of-fold scores.
    settings
        Classes, loci, folds and baselines.
    seed
        Of folds, trees and resampling.

    Raises
    ------
    InputError
        If the file has no scores, or too few loci of a class.
    """
    sequences = open_genome(genome)
    data = read_labelled(variants, sequences, settings)
    families = features_of(data, sequences, settings)
    folds = outer_folds(data, settings.folds, seed)
    found = data.table.assign(position=data.table["position"] + 1, fold=folds)
    chosen = {}
    for family, values in progress(list(families.items()), "families", unit="family"):
        found[family], chosen[family] = out_of_fold(values, data, folds, settings, seed)
    labels = data.table["label"].to_numpy(np.int64)
    result = {
        "variants": len(labels),
        "positives": int(labels.sum()),
        "negatives": int((1 - labels).sum()),
        "loci": int(data.table["group"].nunique()),
        "folds": int(folds.max()) + 1,
        "features": {family: values.shape[1] for family, values in families.items()},
        "scores": {
            family: measured(data, found[family].to_numpy(), settings, seed) for family in families
        },
        "chosen": chosen,
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs={"variants": variants}, seed=seed
        ),
    }
    with atomic_path(table) as temporary:
        found.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
    write_json(output, result)


def features_of(data: Labelled, genome: Sequences, settings: PrioritySettings) -> dict[str, Array]:
    """Return the features of each family: of the model, of k-mers, of both, of the position."""
    kmers = _kmers(data.table, genome, settings.kmer, settings.flank)
    scores = np.concatenate([data.features, np.abs(data.features)], axis=1)
    contigs = {contig: number for number, contig in enumerate(genome.contigs)}
    places = data.table["position"].to_numpy(np.float64)
    numbers = np.array([contigs[contig] for contig in data.table["contig"]], dtype=np.float64)
    return {
        "model": scores,
        "kmer": kmers,
        "model and kmer": np.concatenate([scores, kmers], axis=1),
        "position": np.stack([numbers, places], axis=1),
    }


def _kmers(table: pd.DataFrame, genome: Sequences, k: int, flank: int) -> Array:
    """Return counts of k-mers on the forward strand around variants, and what the alleles are."""
    upper = UpperCase(genome)
    found = np.zeros((len(table), 4**k + 10))
    columns = (table[name].tolist() for name in ("contig", "position", "ref", "alt"))
    for row, (contig, position, ref, alt) in enumerate(zip(*columns, strict=True)):
        end = min(position + len(ref) + flank, genome.contigs[contig])
        text = upper.fetch(contig, max(position - flank, 0), end)
        codes = kmer_codes(base_codes(text), k)
        found[row, : 4**k] = np.bincount(codes[codes >= 0], minlength=4**k)
        for place, allele in enumerate((ref, alt)):
            code = int(base_codes(allele[:1].encode())[0])
            if code < 4:
                found[row, 4**k + 4 * place + code] = 1
        found[row, -2:] = len(ref), len(alt)
    return found


def outer_folds(data: Labelled, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each variant: whole loci, of either class alike as far as possible."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = (data.table[name].to_numpy(np.int64) for name in ("label", "group"))
    fewest = min(len(np.unique(groups[labels == label])) for label in (0, 1))
    split = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed)
    found = np.zeros(len(labels), dtype=np.int64)
    for number, (_, test) in enumerate(split.split(labels, labels, groups)):
        found[test] = number
    return found


def out_of_fold(
    features: Array,
    data: Labelled,
    folds: NDArray[np.int64],
    settings: PrioritySettings,
    seed: int,
) -> tuple[Array, list[int]]:
    """Return probabilities of variants by models of the other folds, and the settings chosen."""
    labels, groups = (data.table[name].to_numpy(np.int64) for name in ("label", "group"))
    found = np.full(len(labels), np.nan)
    chosen = []
    for fold in range(int(folds.max()) + 1):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        best = _choose(features[train], labels[train], groups[train], settings.inner_folds, seed)
        chosen.append(best)
        found[test] = _fitted(GRID[best], features[train], labels[train], seed)(features[test])
    return found, chosen


def _choose(
    features: Array, labels: NDArray[np.int64], groups: NDArray[np.int64], folds: int, seed: int
) -> int:
    """Return the number of the settings with the best AUROC in inner folds of whole loci."""
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(groups[labels == label])) for label in (0, 1))
    if fewest < 2:
        return 0
    split = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed)
    scores = np.full((len(GRID), len(labels)), np.nan)
    for train, test in split.split(labels, labels, groups):
        for number, values in enumerate(GRID):
            model = _fitted(values, features[train], labels[train], seed)
            scores[number, test] = model(features[test])
    return int(np.argmax([auroc(labels, row)[0] for row in scores]))


def _fitted(values: dict[str, Any], features: Array, labels: NDArray[np.int64], seed: int) -> Any:
    """Return a function that gives probabilities; of one class alone its share."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(np.unique(labels)) < 2:
        return lambda rows: np.full(len(rows), labels.mean() if len(labels) else 0.5)
    model = HistGradientBoostingClassifier(
        max_iter=TREES, early_stopping=False, random_state=seed, **values
    ).fit(features, labels)
    return lambda rows: model.predict_proba(rows)[:, 1]


def measured(
    data: Labelled, scores: Array, settings: PrioritySettings, seed: int
) -> dict[str, Any]:
    """Return AUROC and AUPRC of scores with intervals from resampling loci."""
    labels, groups = (data.table[name].to_numpy(np.int64) for name in ("label", "group"))
    result = {}
    for name, metric in (("auroc", auroc), ("auprc", auprc)):
        samples = resample(
            partial(metric, labels, scores), groups, settings.bootstrap_samples,
            named_generator(seed, "priorities"),
        )  # fmt: skip
        result[name] = interval(float(metric(labels, scores, None)[0]), samples, CONFIDENCE)
    return result
