"""Metrics of many labels equal scikit-learn's, label by label, and stay cheap."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipeline_lib.evaluation.metrics_labels import label_areas, label_calibration, medians


@st.composite
def problems(draw):
    count, labels = draw(st.integers(2, 25)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    truth = rng.integers(0, 2, (count, labels)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.2] = np.nan
    scores = rng.integers(0, 5, truth.shape).astype(np.float32) / 5
    return truth, scores, rng.integers(0, 3, (3, count))


@settings(deadline=None)
@given(problems())
def test_areas_equal_sklearn_on_repeated_examples(problem):
    truth, scores, weights = problem
    found = label_areas(truth, scores, weights)
    assert found.shape == (3, truth.shape[1], 2)
    for sample, label in np.ndindex(*found.shape[:2]):
        rows = np.repeat(np.arange(len(truth)), weights[sample])
        rows = rows[~np.isnan(truth[rows, label])]
        known, said = truth[rows, label], scores[rows, label]
        if len(set(known)) < 2:
            assert np.isnan(found[sample, label]).all()
            continue
        areas = reference.roc_auc_score(known, said), reference.average_precision_score(known, said)
        np.testing.assert_allclose(found[sample, label], areas, atol=1e-12)


@given(problems(), st.data())
def test_medians_leave_out_what_is_not_defined(problem, data):
    truth, scores, weights = problem
    areas = label_areas(truth, scores, weights)
    labels = data.draw(st.sets(st.integers(0, truth.shape[1] - 1)))
    for chosen in (None, sorted(labels)):
        part = areas if chosen is None else areas[:, chosen]
        found = medians(areas, chosen)
        assert found.shape == (3, 2)
        for sample, area in np.ndindex(3, 2):
            known = part[sample, :, area][~np.isnan(part[sample, :, area])]
            expected = np.median(known) if len(known) else np.nan
            np.testing.assert_allclose(found[sample, area], expected)


def test_no_weights_are_one_of_each():
    rng = np.random.default_rng(1)
    truth, scores = rng.integers(0, 2, (30, 2)).astype(float), rng.random((30, 2))
    np.testing.assert_array_equal(
        label_areas(truth, scores), label_areas(truth, scores, np.ones((1, 30)))
    )


def test_a_comparison_takes_nanoseconds():
    rng = np.random.default_rng(1)
    truth, scores = rng.integers(0, 2, (2000, 20)), rng.random((2000, 20))
    weights = rng.integers(0, 4, (200, 2000)).astype(np.uint16)
    label_areas(truth[:5], scores[:5], weights[:, :5])  # compiled before the clock starts
    started = time.process_time()
    label_areas(truth, scores, weights)
    # 919 labels of 10,000 examples, 1,000 times: 9.2e9 comparisons.
    assert (time.process_time() - started) / (20 * 2000 * 200) < 20e-9


def test_calibration_pools_labels_and_skips_the_unknown():
    truth = np.array([[1, 0], [np.nan, 1]])
    scores = np.array([[0.95, 0.05], [0.5, 0.91]])
    low, high = label_calibration(truth, scores)
    assert (low["count"], low["share_positive"], high["count"]) == (1, 0.0, 2)
    assert high["mean_score"] == pytest.approx(0.93)
