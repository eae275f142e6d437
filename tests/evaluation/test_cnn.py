"""The small CNN: what it learns, what it may see, and how long it may take."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.cnn import BATCH, FEWEST_EPOCHS, evaluate_cnn, loss, plan
from pipeline_lib.evaluation.features import base_table
from pipeline_lib.evaluation.predictions import read_predictions
from pipeline_lib.finetuning.examples import Examples, Target, as_lists, write_examples
from pipeline_lib.sequence import base_codes
from tests.evaluation import tasks

SETTINGS = EvaluationConfig(cnn_bases=500_000)


def run(tmp_path, examples: Examples, settings=SETTINGS):
    write_examples(tmp_path / "examples.parquet", examples)
    evaluate_cnn(
        tmp_path / "examples.parquet", tmp_path / "out.parquet", settings, seed=1, threads=1
    )
    held = examples.table[examples.table["split"] != "train"]
    scores = read_predictions(tmp_path / "out.parquet", held, examples.target.outputs)
    about = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"dnalm"])
    return scores, (held["split"] == "test").to_numpy(), about


@pytest.mark.parametrize("task", [tasks.start_sites, tasks.pairs])
def test_two_classes(tmp_path, task):
    examples = task(500)
    scores, test, about = run(tmp_path, examples)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert roc_auc_score(examples.of("test").targets()[:, 0], scores[test, 1]) > 0.7
    lines = about["epochs"]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_labels_of_which_some_are_unknown(tmp_path):
    examples = tasks.composition_labels(500)
    scores, test, _ = run(tmp_path, examples)
    truth = examples.of("test").targets()
    known = ~np.isnan(truth[:, 0])
    assert roc_auc_score(truth[known, 0], scores[test][known, 0]) > 0.8
    assert roc_auc_score(truth[known, 0], scores[test][known, 1]) < 0.7
    assert ((scores >= 0) & (scores <= 1)).all()


def test_numbers_are_in_their_units_and_given_numbers_are_used(tmp_path):
    examples = tasks.composition_numbers(500)
    scores, test, _ = run(tmp_path, examples)
    truth = examples.of("test").targets()
    assert scores[test, 0].mean() == pytest.approx(truth[:, 0].mean(), rel=0.03)
    known = ~np.isnan(truth[:, 1])
    assert pearsonr(truth[known, 1], scores[test][known, 1]).statistic > 0.8


def test_the_same_seed_gives_the_same_bytes_and_test_examples_change_nothing(tmp_path):
    examples, settings = tasks.start_sites(260), EvaluationConfig(cnn_bases=40_000)
    scores, test, about = run(tmp_path, examples, settings)
    first = (tmp_path / "out.parquet").read_bytes()
    run(tmp_path, examples, settings)
    assert (tmp_path / "out.parquet").read_bytes() == first
    table = examples.table.copy()
    labels = examples.targets()[:, 0]
    changed = (table["split"] == "test").to_numpy()
    table["target"] = as_lists(np.where(changed, 1 - labels, labels)[:, None])
    again, _, about_again = run(tmp_path, Examples(table, examples.target), settings)
    np.testing.assert_array_equal(scores, again)
    assert about_again["epochs"] == about["epochs"]
    assert test.sum() == 100


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1_000, 10**8))
def test_no_more_is_read_than_allowed(examples, bases, most):
    epochs, size = plan(examples, bases, most)
    assert epochs >= FEWEST_EPOCHS
    assert 1 <= size <= examples
    assert epochs * size * bases <= most or size <= BATCH


@given(st.lists(st.text("ACGTN", min_size=1, max_size=12), min_size=1, max_size=5), st.data())
def test_sequences_are_aligned_at_their_focus(texts, data):
    focus = np.array([data.draw(st.integers(-1, len(text) - 1)) for text in texts])
    places = np.where(focus < 0, [len(text) // 2 for text in texts], focus)
    table = base_table(texts, focus, 100)
    column = places.max()
    for row, (text, place) in enumerate(zip(texts, places, strict=True)):
        assert table[row, column] == base_codes(text.encode())[place]
        assert (table[row] < 4).sum() == sum(letter != "N" for letter in text)
    assert base_table(texts, focus, 4).shape[1] <= 4


def test_losses_are_over_what_is_known():
    truth = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    found = torch.tensor([[0.5, 9.0], [0.5, 0.0]], requires_grad=True)
    value = loss(Target("labels", ("a", "b")), found, truth)
    expected = [-np.log(1 / (1 + np.exp(-0.5))), -np.log(1 / (1 + np.exp(0.5))), np.log(2)]
    assert value.item() == pytest.approx(np.mean(expected), rel=1e-5)
    value.backward()
    assert found.grad[0, 1] == 0
    value = loss(Target("numbers", ("a", "b")), found, truth)
    assert value.item() == pytest.approx(np.mean([0.25, 0.25, 1.0]))
    nothing = loss(Target("numbers", ("a",)), found[:, :1], torch.full((2, 1), float("nan")))
    assert nothing.item() == 0
