"""Metrics equal scikit-learn's, with and without ties and weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipeline_lib.evaluation import metrics

pytestmark = pytest.mark.filterwarnings("ignore:A single label")
PAIRS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 4)), min_size=2, max_size=40
)


def columns(pairs):
    table = np.array(pairs, dtype=np.int64)
    return table[:, 0], table[:, 1] / 6, table[:, 2].astype(float)


@given(PAIRS)
def test_ranking_metrics_equal_sklearn_with_ties_and_weights(pairs):
    labels, scores, weights = columns(pairs)
    drawn = weights > 0
    if len(set(labels[drawn])) < 2:
        assert np.isnan(metrics.auroc(labels, scores, weights[None])[0])
        return
    for ours, theirs in (
        (metrics.auroc, reference.roc_auc_score),
        (metrics.auprc, reference.average_precision_score),
        (metrics.brier, reference.brier_score_loss),
    ):
        expected = theirs(labels[drawn], scores[drawn], sample_weight=weights[drawn])
        assert ours(labels, scores, weights[None])[0] == pytest.approx(expected, abs=1e-12)


@given(PAIRS)
def test_decisions_equal_sklearn(pairs):
    labels, scores, weights = columns(pairs)
    called = scores >= 0.5
    drawn = np.repeat(np.arange(len(labels)), weights.astype(int))
    if not len(drawn) or not labels[drawn].any():
        return
    expected = reference.matthews_corrcoef(labels[drawn], called[drawn])
    assert metrics.mcc(labels, called, weights[None])[0] == pytest.approx(expected, abs=1e-9)
    expected = reference.accuracy_score(labels[drawn], called[drawn])
    assert metrics.accuracy(labels, called, weights[None])[0] == pytest.approx(expected, abs=1e-12)
    expected = reference.f1_score(labels[drawn], called[drawn])
    assert metrics.f1(labels, called, weights[None])[0] == pytest.approx(expected, abs=1e-12)


@given(PAIRS)
def test_a_row_of_weights_equals_repeated_examples(pairs):
    labels, scores, weights = columns(pairs)
    repeated = np.repeat(np.arange(len(labels)), weights.astype(int))
    if not len(repeated):
        return
    for function in metrics.RANKED.values():
        once = function(labels[repeated], scores[repeated])
        np.testing.assert_allclose(function(labels, scores, weights[None]), once, atol=1e-12)


def test_many_samples_at_once_equal_one_at_a_time():
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 50), rng.random(50).round(1)
    weights = rng.integers(0, 3, (7, 50)).astype(float)
    for function in metrics.RANKED.values():
        together = function(labels, scores, weights)
        alone = [function(labels, scores, row[None])[0] for row in weights]
        np.testing.assert_allclose(together, alone)


@given(PAIRS)
def test_best_threshold_is_the_best_of_all(pairs):
    labels, scores, _ = columns(pairs)
    cut = metrics.best_threshold(labels, scores)
    best = max(reference.matthews_corrcoef(labels, scores >= other) for other in np.unique(scores))
    assert reference.matthews_corrcoef(labels, scores >= cut) == pytest.approx(best, abs=1e-9)


def test_ece_and_calibration_by_hand():
    labels = np.array([1, 0, 1, 1])
    scores = np.array([0.05, 0.05, 0.95, 1.0])
    # bins [0, 0.1): mean score 0.05, share 1/2; [0.9, 1]: mean 0.975, share 1
    assert metrics.ece(labels, scores)[0] == pytest.approx(0.5 * 0.45 + 0.5 * 0.025)
    low, high = metrics.calibration(labels, scores)
    assert (low["low"], low["count"], low["share_positive"]) == (0.0, 2, 0.5)
    assert (high["high"], high["count"], high["mean_score"]) == (1.0, 2, pytest.approx(0.975))
