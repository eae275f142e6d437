"""Losses, scores and measures of classes, labels and numbers."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.losses import Labels, make_objective, restore_objective
from pipeline_lib.finetuning.scaling import Scaler
from tests.finetuning import toys

RNG = np.random.default_rng(5)


def truth_of(target, count=200):
    return toys.make_examples(target, 2 * count).of("train").targets()


def objective_of(target, truth, **changes):
    return make_objective(target, truth, toys.make_task(**changes))


@pytest.mark.parametrize("name", toys.TARGETS)
def test_what_is_saved_gives_the_same_scores(name):
    target = toys.TARGETS[name]
    objective = objective_of(target, truth_of(target), label_weights="balanced")
    restored = restore_objective(target, json.loads(json.dumps(objective.state())))
    outputs = torch.randn(50, target.outputs)
    assert type(restored) is type(objective)
    np.testing.assert_array_equal(restored.scores(outputs), objective.scores(outputs))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=5))
def test_a_head_that_knows_nothing_gives_the_frequencies_of_classes(counts):
    """The best constant outputs under weighted cross-entropy are told as the frequencies."""
    target = toys.Target("class", tuple("abcde"[: len(counts)]))
    truth = np.repeat(np.arange(len(counts)), counts)[:, None].astype(np.float32)
    objective = objective_of(target, truth)
    outputs = torch.zeros(len(truth), len(counts))  # balanced: all classes are alike
    outputs.requires_grad_()
    objective.loss(outputs, truth).backward()
    assert outputs.grad.sum(dim=0).abs().max() < 1e-4 * len(truth)
    scores = objective.scores(outputs.detach())
    np.testing.assert_allclose(scores[0], np.array(counts) / sum(counts), rtol=1e-5)


def test_a_head_that_knows_nothing_gives_the_frequencies_of_labels():
    truth = np.array([[1, 0], [0, 0], [0, 1], [0, np.nan], [np.nan, 1]], dtype=np.float32)
    objective = objective_of(toys.LABELS, truth, label_weights="balanced")
    outputs = torch.zeros(5, 2, requires_grad=True)
    objective.loss(outputs, truth).backward()
    assert outputs.grad.sum(dim=0).abs().max() < 1e-6
    np.testing.assert_allclose(objective.scores(outputs.detach())[0], [1 / 4, 1 / 2])
    plain = objective_of(toys.LABELS, truth)
    np.testing.assert_array_equal(plain.weights, [1, 1])
    # A fixed weight, as some publish: an example of a label counts three times.
    fixed = objective_of(toys.LABELS, truth, label_weights=3.0)
    thrice = np.concatenate([truth, *[np.where(truth == 1, truth, np.nan)] * 2])
    given = torch.tensor([[0.3, -1.0]])
    expected = plain.loss(given.repeat(15, 1), thrice)
    assert float(fixed.loss(given.repeat(5, 1), truth)) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", ["labels", "numbers"])
def test_what_is_not_known_teaches_nothing(name):
    target = toys.TARGETS[name]
    truth = truth_of(target)
    objective = objective_of(target, truth)
    outputs = torch.randn(len(truth), target.outputs, requires_grad=True)
    loss = objective.loss(outputs, truth)
    loss.backward()
    known = np.isfinite(truth)
    assert 0 < known.sum() < truth.size
    assert objective.weight(truth) == known.sum()
    assert (outputs.grad.numpy()[~known] == 0).all()
    assert (outputs.grad.numpy()[known] != 0).all()
    each = [
        float(objective.loss(outputs[row : row + 1].detach(), truth[row : row + 1]))
        for row in range(len(truth))
    ]
    assert float(loss.detach()) == pytest.approx(sum(each), rel=1e-4)
    assert objective.weight(np.full((3, target.width), np.nan, dtype=np.float32)) == 0


def test_errors_of_numbers_are_those_of_scaled_ones():
    truth = truth_of(toys.NUMBERS)
    objective = objective_of(toys.NUMBERS, truth)
    outputs = torch.randn(len(truth), 2)
    found = objective.scores(outputs)
    deviation = np.nanstd(truth.astype(np.float64), axis=0)
    expected = np.nansum(((truth - found) / deviation) ** 2)
    assert float(objective.loss(outputs, truth)) == pytest.approx(expected, rel=1e-4)
    mean = objective.scores(torch.zeros(1, 2))[0]
    np.testing.assert_allclose(mean, np.nanmean(truth.astype(np.float64), axis=0))


def test_measures_are_those_of_others():
    scores = RNG.dirichlet(np.ones(3), size=100)
    truth = RNG.integers(3, size=(100, 1)).astype(np.float32)
    three = objective_of(toys.THREE, truth)
    expected = matthews_corrcoef(truth[:, 0], scores.argmax(axis=1))
    assert three.quality(truth, scores) == expected
    truth = RNG.integers(2, size=(100, 1)).astype(np.float32)
    two = objective_of(toys.CLASSES, truth)
    assert two.quality(truth, scores) == roc_auc_score(truth[:, 0], scores[:, 1])
    assert (two.measure, three.measure) == ("auroc", "mcc")
    truth = truth_of(toys.LABELS, 100)
    truth[:, 2] = 1.0  # nothing can be said of this one
    each = [
        roc_auc_score(column[known], score[known])
        for column, score in zip(truth.T[:2], scores.T, strict=False)
        for known in [np.isfinite(column)]
    ]
    assert Labels.of(truth, balanced=False).quality(truth, scores) == np.median(each)
    truth = truth_of(toys.NUMBERS, 100)
    numbers = objective_of(toys.NUMBERS, truth)
    each = [
        pearsonr(column[known].astype(float), score[known])[0]
        for column, score in zip(truth.T, scores.T, strict=False)
        for known in [np.isfinite(column)]
    ]
    assert numbers.quality(truth, scores[:, :2]) == pytest.approx(np.mean(each))
    assert numbers.quality(truth, np.ones((100, 2))) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two", "all validation examples are of one class"),
        ("three", "all validation examples are of one class"),
        ("labels", "no label is present in some validation examples"),
        ("numbers", "no number differs between the validation examples"),
    ],
)
def test_examples_that_tell_nothing_are_refused(name, message):
    target = toys.TARGETS[name]
    objective = objective_of(target, truth_of(target))
    alike = np.ones((9, target.width), dtype=np.float32)
    with pytest.raises(InputError, match=message):
        objective.quality(alike, RNG.random((9, target.outputs)))


def test_a_number_that_was_never_measured_is_refused():
    truth = truth_of(toys.NUMBERS)
    truth[:, 1] = np.nan
    with pytest.raises(InputError, match="no training example has a value of 'low'"):
        objective_of(toys.NUMBERS, truth)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (7, 3), elements=st.floats(-1e4, 1e4, width=32)), st.integers(0, 6))
def test_scaled_values_have_mean_0_and_deviation_1(values, missing):
    values[missing, 1] = np.nan
    scaler = Scaler.of(values)
    exact = values.astype(np.float64)
    np.testing.assert_allclose(scaler.mean, np.nanmean(exact, axis=0), atol=1e-9)
    np.testing.assert_allclose(scaler.undo(scaler.apply(values)), exact, rtol=1e-5, atol=1e-2)
    spread = np.nanstd(exact, axis=0)
    varies = spread > 1e-6 * (1 + np.abs(scaler.mean))
    np.testing.assert_allclose(scaler.deviation[varies], spread[varies])
    assert (scaler.deviation > 0).all()
    again = Scaler.from_lists(json.loads(json.dumps(scaler.to_lists())))
    np.testing.assert_array_equal(again.apply(values), scaler.apply(values))
    assert Scaler.of(np.empty((4, 0))).apply(np.empty((4, 0))).shape == (4, 0)
