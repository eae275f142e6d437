"""Metrics of several classes equal scikit-learn's, with weights as repeated examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipeline_lib.evaluation import metrics_classes as ours

CLASSES = 4
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@st.composite
def problems(draw):
    count = draw(st.integers(2, 30))
    numbers = st.lists(st.integers(0, 5), min_size=count, max_size=count)
    truth = np.array(draw(numbers)) % CLASSES
    raw = np.array([draw(numbers) for _ in range(CLASSES)]).T + 0.5
    weights = np.array(draw(numbers), dtype=float) % 3
    return truth, raw / raw.sum(axis=1, keepdims=True), weights


@settings(max_examples=40, deadline=None)
@given(problems())
def test_decisions_equal_sklearn_on_repeated_examples(problem):
    truth, scores, weights = problem
    rows = np.repeat(np.arange(len(truth)), weights.astype(int))
    if not len(rows):
        return
    table = ours.confusion(truth, scores, weights[None])
    calls, there = ours.called(scores)[rows], truth[rows]
    expected = reference.confusion_matrix(there, calls, labels=range(CLASSES))
    np.testing.assert_array_equal(table[0], expected)
    for metric, function in (
        ("accuracy", reference.accuracy_score),
        ("balanced_accuracy", reference.balanced_accuracy_score),
        ("mcc", reference.matthews_corrcoef),
    ):
        assert ours.DECIDED[metric](table)[0] == pytest.approx(function(there, calls), abs=1e-9)
    expected = reference.f1_score(there, calls, average="macro", zero_division=0)
    assert ours.macro_f1(table)[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_macro_auroc_equals_sklearn_where_all_classes_are_there(problem):
    truth, scores, weights = problem
    rows = np.repeat(np.arange(len(truth)), weights.astype(int))
    found = ours.macro_auroc(truth, scores, weights[None])[0]
    if len(set(truth[rows])) == CLASSES:
        expected = reference.roc_auc_score(truth[rows], scores[rows], multi_class="ovr")
        assert found == pytest.approx(expected, abs=1e-12)
    elif len(set(truth[rows])) < 2:
        assert np.isnan(found)
    else:
        assert 0 <= found <= 1


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(2, 4))
def test_many_samples_at_once_equal_one_at_a_time(problem, samples):
    truth, scores, weights = problem
    rows = np.stack([np.roll(weights, shift) for shift in range(samples)])
    together = ours.confusion(truth, scores, rows)
    for sample, row in enumerate(rows):
        np.testing.assert_array_equal(together[sample], ours.confusion(truth, scores, row[None])[0])
    assert ours.mcc(together).shape == (samples,)


def test_calibration_is_of_the_class_called():
    truth = np.array([0, 1, 2, 2])
    scores = np.array([[0.95, 0.05, 0], [0.96, 0.04, 0], [0.3, 0.2, 0.5], [0.1, 0.35, 0.55]])
    low, high = ours.top_calibration(truth, scores)
    assert (low["count"], low["share_positive"]) == (2, 1.0)
    assert (high["count"], high["share_positive"]) == (2, 0.5)
    assert high["mean_score"] == pytest.approx(0.955)
