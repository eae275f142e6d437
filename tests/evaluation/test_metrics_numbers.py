"""Metrics of numbers equal those of scipy and scikit-learn, with weights as repeated examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from pipeline_lib.evaluation import metrics_numbers as ours


@st.composite
def problems(draw):
    count = draw(st.integers(3, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    offset = draw(st.sampled_from([0.0, 1e4, -300.0]))
    truth = rng.integers(0, 6, count) / 4 + offset  # exact, so that equal sums are equal
    predicted = truth * draw(st.sampled_from([1.0, -1.0, 0.01])) + rng.integers(0, 5, count)
    truth[rng.random(count) < 0.15] = np.nan
    return truth, predicted, rng.integers(0, 3, (2, count)).astype(float)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_metrics_equal_the_reference_on_repeated_examples(problem):
    truth, predicted, weights = problem
    found = {name: f(truth, predicted, weights) for name, f in ours.NUMBERS.items()}
    for sample in range(2):
        rows = np.repeat(np.arange(len(truth)), weights[sample].astype(int))
        rows = rows[~np.isnan(truth[rows])]
        there, said = truth[rows], predicted[rows]
        if not len(rows):
            assert all(np.isnan(values[sample]) for values in found.values())
            continue
        expected = reference.mean_squared_error(there, said) ** 0.5
        assert found["rmse"][sample] == pytest.approx(expected, rel=1e-9)
        if len(set(there)) < 2:
            assert np.isnan(found["r2"][sample]) and np.isnan(found["pearson"][sample])
            continue
        assert found["r2"][sample] == pytest.approx(reference.r2_score(there, said), rel=1e-6)
        if len(set(said)) < 2:
            assert np.isnan(found["pearson"][sample]) and np.isnan(found["spearman"][sample])
            continue
        expected = stats.pearsonr(there, said).statistic
        assert found["pearson"][sample] == pytest.approx(expected, abs=1e-7)
        expected = stats.spearmanr(there, said).statistic
        assert found["spearman"][sample] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_no_weights_are_one_of_each(problem):
    truth, predicted, _ = problem
    for function in ours.NUMBERS.values():
        np.testing.assert_array_equal(
            function(truth, predicted, None), function(truth, predicted, np.ones((1, len(truth))))
        )


def test_calibration_by_tenths():
    predicted = np.arange(100.0)
    found = ours.number_calibration(predicted + 1, predicted)
    assert len(found) == 10
    assert (found[0]["low"], found[0]["high"], found[0]["count"]) == (0.0, 9.0, 10)
    assert all(item["mean_truth"] - item["mean_score"] == pytest.approx(1) for item in found)
