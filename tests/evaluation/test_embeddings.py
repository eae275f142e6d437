"""Embeddings: scores equal scikit-learn's, classes that differ are told apart, others are not."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score, silhouette_score

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation import clusters
from pipeline_lib.evaluation.embeddings import METRICS, evaluate_embeddings
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.examples import write_examples
from pipeline_lib.report.embeddings import embedding_map
from pipeline_lib.report.style import Outputs
from tests.evaluation import tasks
from tests.finetuning import toys

SETTINGS = EvaluationConfig(bootstrap_samples=100, embedding_examples=240)
labelled = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=40)


@given(labelled)
def test_rand_index_is_that_of_scikit_learn(pairs):
    found, truth = np.array(pairs).T
    value = clusters.rand_index(found, truth)(np.ones((1, len(truth))))[0]
    if np.isnan(value):  # all in one cluster and one class: nothing can be adjusted
        assert adjusted_rand_score(truth, found) == 1
    else:
        assert value == pytest.approx(adjusted_rand_score(truth, found))


@given(labelled, st.integers(0, 99))
def test_balanced_accuracy_of_resamplings_is_that_of_scikit_learn(pairs, seed):
    calls, truth = np.array(pairs).T
    weights = np.random.default_rng(seed).integers(0, 3, (2, len(truth))).astype(float) + 0.5
    found = clusters.balanced_accuracy(calls, truth)(weights)
    expected = []
    for row in weights:
        shares = [
            row[(truth == c) & (calls == c)].sum() / row[truth == c].sum() for c in set(truth)
        ]
        expected.append(np.mean(shares))
    assert found == pytest.approx(expected)
    if set(calls) <= set(truth) and len(set(truth)) > 1:
        whole = clusters.balanced_accuracy(calls, truth)(np.ones((1, len(truth))))
        assert whole[0] == pytest.approx(balanced_accuracy_score(truth, calls))


def test_copies_of_an_example_are_no_evidence_of_clusters():
    rng = np.random.default_rng(1)
    found, truth = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    weights = np.bincount(rng.integers(0, 300, 300), minlength=300)[None].astype(float)
    assert abs(clusters.rand_index(found, truth)(weights)[0]) < 0.05


def test_silhouette_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    vectors, truth = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    value = clusters.silhouette(vectors, truth)(np.ones((1, 60)))[0]
    assert value == pytest.approx(silhouette_score(vectors, truth, metric="cosine"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = toys.write_tokenizer(folder / "tokenizer.json")
    return toys.write_model(folder / "model", tokenizer)


def evaluate(model, examples, folder):
    write_examples(folder / "examples.parquet", examples)
    files = (folder / "examples.parquet", folder / "scores.json", folder / "points.parquet")
    names = {"name": "mini", "task": "letters"}
    evaluate_embeddings(model, *files, SETTINGS, **names, seed=3, threads=1, cache=folder / "cache")
    return read_json(folder / "scores.json"), pd.read_parquet(folder / "points.parquet")


def test_classes_by_composition(model, tmp_path):
    values, points = evaluate(model, tasks.composition_classes(), tmp_path)
    assert list(values["scores"]) == ["pretrained", "scratch", "kmer"]
    for found in values["scores"].values():
        assert list(found) == list(METRICS)
        for item in found.values():
            assert item["low"] <= item["value"] <= item["high"]
    assert values["scores"]["kmer"]["linear"]["low"] > 1 / 3
    assert values["scores"]["kmer"]["linear"]["value"] > 0.6
    assert sum(values["examples"].values()) == len(points) <= 241
    # balanced: as many of each class as there may be
    assert points["class"].value_counts().max() <= 1.2 * points["class"].value_counts().min()
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2
    outputs = Outputs(*(tmp_path / f"map.{end}" for end in ("svg", "tsv", "html")))
    embedding_map(tmp_path / "scores.json", tmp_path / "points.parquet", outputs=outputs)
    assert "counts of 4-mers" in outputs.figure.read_text()
    assert len(pd.read_csv(outputs.table, sep="\t")) == 3 * len(METRICS)


def test_classes_that_do_not_differ_are_not_told_apart(model, tmp_path):
    examples = tasks.composition_classes()
    order = np.random.default_rng(0).permutation(len(examples))
    examples.table["sequence"] = examples.table["sequence"].to_numpy()[order]
    values, _ = evaluate(model, examples, tmp_path)
    for found in values["scores"].values():
        assert found["linear"]["low"] < 0.4
        assert abs(found["ari"]["value"]) < 0.1


def test_only_tasks_of_classes(model, tmp_path):
    with pytest.raises(InputError, match="the targets are numbers"):
        evaluate(model, tasks.composition_numbers(), tmp_path)
