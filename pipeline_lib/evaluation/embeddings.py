"""What models know of classes before any tuning: their embeddings of a task's examples.

Embeddings are means over the vectors of tokens. Beside those of the pretrained model stand those
of the same model with random weights, and counts of k-mers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation import clusters
from pipeline_lib.evaluation.bootstrap import interval, resample
from pipeline_lib.evaluation.features import kmer_counts
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.finetuning.embeddings import Embedder
from pipeline_lib.finetuning.encoding import encode_examples
from pipeline_lib.finetuning.examples import MIDDLE, SPLITS, Examples, read_examples
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.models.build import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

K = 4
METRICS = ("knn", "linear", "silhouette", "ari")

Vectors = NDArray[np.float32]


def evaluate_embeddings(
    model: Path,
    examples: Path,
    output: Path,
    points: Path,
    settings: EvaluationConfig,
    *,
    name: str,
    task: str,
    seed: int,
    threads: int,
    cache: Path,
) -> None:
    """Measure how well embeddings of the untuned model keep the classes of a task apart.

    Parameters
    ----------
    model
        Pretrained model folder.
    examples
        ``examples.parquet`` of a task of kind ``class``.
    output
        JSON: for ``pretrained``, ``scratch`` and ``kmer`` the balanced accuracy on test examples
        of their 10 nearest training examples (``knn``) and of a logistic regression
        (``linear``), and of the test examples the mean silhouette and the adjusted Rand index of
        as many k-means clusters as there are classes, each with its interval.
    points
        Parquet: the class of each example and where it lies on the plane of the first two
        principal components, for each of the three.
    settings
        Most examples, resamplings and confidence.
    name, task
        Names of the model and the task.
    seed
        Of the choice of examples, the random weights, k-means and the resampling.
    threads
        CPU threads.
    cache
        Folder in which embeddings are kept: the one that probes use.

    Raises
    ------
    InputError
        If the task is not one of classes, or a split has fewer than two of them.
    """
    torch.set_num_threads(threads)
    chosen = _chosen(read_examples(examples), settings.embedding_examples, examples, seed)
    found = {
        "pretrained": _embedded(model, chosen, "pretrained", cache, seed),
        "scratch": _embedded(model, chosen, "scratch", cache, seed),
        "kmer": kmer_counts(chosen.table.assign(focus=MIDDLE), K).toarray().astype(np.float32),
    }
    split = chosen.table["split"].to_numpy()
    truth = chosen.targets()[:, 0].astype(np.int64)
    columns: dict[str, Any] = {
        "example": chosen.table["example"].to_numpy(),
        "split": split,
        "class": np.array(chosen.target.names)[truth],
    }
    scores, shares = {}, {}
    for family, vectors in found.items():
        scaled = Scaler.of(vectors[split == "train"]).apply(vectors)
        scores[family] = _scores(scaled, chosen, settings, seed)
        places, shares[family] = clusters.plane(scaled)
        columns[f"{family} x"], columns[f"{family} y"] = places.T
    with atomic_path(points) as temporary:
        table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
        pq.write_table(table.replace_schema_metadata(), temporary, compression="zstd")
    result = {
        "model": name,
        "task": task,
        "names": list(chosen.target.names),
        "examples": {one: int((split == one).sum()) for one in SPLITS},
        "dimensions": {family: vectors.shape[1] for family, vectors in found.items()},
        "variance_on_the_plane": shares,
        "scores": scores,
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs={"examples": examples}, seed=seed
        ),
    }
    write_json(output, result)


def _chosen(examples: Examples, most: int, path: Path, seed: int) -> Examples:
    """Return at most so many examples: of every split its share, of every class as many."""
    if examples.target.kind != "class":
        raise InputError(
            f"the targets are {examples.target.kind}",
            path=path,
            expected="a task of kind `class`, whose classes the embeddings are held against",
            remedy="name other tasks in `evaluation.embeddings`",
        )
    split = examples.table["split"].to_numpy()
    truth = examples.targets()[:, 0].astype(np.int64)
    random = named_generator(seed, "embedded examples")
    keep = np.zeros(len(examples), dtype=bool)
    for one in SPLITS:
        own = split == one
        present = np.unique(truth[own])
        if len(present) < 2:
            raise InputError(
                f"split {one!r} has examples of {len(present)} class only",
                path=path,
                remedy="give the task more examples, or name another in `evaluation.embeddings`",
            )
        each = max(round(most * own.mean() / len(present)), 2)
        for index in present:
            rows = np.flatnonzero(own & (truth == index))
            keep[random.permutation(rows)[:each]] = True
    table: pd.DataFrame = examples.table[keep].reset_index(drop=True)
    return Examples(table, examples.target)


def _embedded(model: Path, examples: Examples, init: str, cache: Path, seed: int) -> Vectors:
    """Return the mean over the tokens' vectors of each example; long examples are cropped."""
    language_model, architecture = load_language_model(model)
    tokenizer = model / "tokenizer.json"
    if init == "scratch":
        # Not the seed itself: the pretrained model may have begun with that.
        torch.manual_seed(int(named_generator(seed, "untrained weights").integers(2**31)))
        complements = complements_of(read_vocabulary(tokenizer).words)
        language_model = build_model(architecture, language_model.encoder.vocab_size, complements)
    classifier = SequenceClassifier(
        language_model.encoder, examples.target.outputs, "mean", causal=language_model.causal
    )
    none: Any = [np.empty(0, np.float32)] * len(examples)
    encoded = encode_examples(
        examples.table.assign(numbers=none),
        tokenizer,
        context_length=architecture.input_length,
        too_long="crop",
    )
    cache.mkdir(parents=True, exist_ok=True)
    return Embedder(classifier, "auto", cache).features(encoded)


def _scores(
    vectors: Vectors, examples: Examples, settings: EvaluationConfig, seed: int
) -> dict[str, dict[str, float]]:
    split = examples.table["split"].to_numpy()
    truth = examples.targets()[:, 0].astype(np.int64)
    train, valid, test = (split == one for one in SPLITS)
    groups = examples.table["group"].to_numpy()[test]
    known, own = truth[train], truth[test]
    knn = clusters.neighbour_calls(vectors[train], known, vectors[test])
    linear = clusters.linear_calls(
        vectors[train], known, vectors[valid], truth[valid], vectors[test]
    )
    found = clusters.k_means(vectors[test], len(np.unique(own)), seed)
    statistics: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "knn": clusters.balanced_accuracy(knn, own),
        "linear": clusters.balanced_accuracy(linear, own),
        "silhouette": clusters.silhouette(vectors[test], own),
        "ari": clusters.rand_index(found, own),
    }
    result = {}
    for metric, statistic in statistics.items():
        value = float(statistic(np.ones((1, len(own))))[0])
        generator = named_generator(seed, "embeddings")
        samples = resample(statistic, groups, settings.bootstrap_samples, generator)
        result[metric] = interval(value, samples, settings.confidence)
    return result
