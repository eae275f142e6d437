"""Intervals by resampling whole groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.evaluation import bootstrap
from pipeline_lib.evaluation.bootstrap import group_weights, interval, mean_interval, resample
from pipeline_lib.randomness import named_generator


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 20))
def test_groups_are_drawn_whole_and_as_many_as_there_are(members, samples):
    groups = np.array(members)
    weights = np.concatenate(list(group_weights(groups, samples, named_generator(1, "x"))))
    assert weights.shape == (samples, len(groups))
    distinct, first = np.unique(groups, return_index=True)
    for group in distinct:
        inside = weights[:, groups == group]
        assert (inside == inside[:, :1]).all()
    assert (weights[:, first].sum(axis=1) == len(distinct)).all()


def test_the_size_of_a_portion_changes_nothing(monkeypatch):
    groups = np.arange(10) // 2
    whole = resample(lambda w: w.sum(axis=1), groups, 50, named_generator(3, "x"))
    monkeypatch.setattr(bootstrap, "_CELLS", 30)
    assert (resample(lambda w: w.sum(axis=1), groups, 50, named_generator(3, "x")) == whole).all()


def test_interval_of_a_mean_agrees_with_the_normal_one():
    values = named_generator(5, "values").normal(2.0, 1.0, 400)
    found = mean_interval(
        values,
        np.ones(400),
        samples=4000,
        confidence=0.95,
        generator=named_generator(5, "bootstrap"),
    )
    half = 1.96 * values.std() / 20
    assert found["value"] == pytest.approx(values.mean())
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_copies_in_one_group_do_not_narrow_the_interval():
    values = named_generator(6, "values").normal(0.0, 1.0, 100)
    copies, groups = np.repeat(values, 10), np.repeat(np.arange(100), 10)

    def width(groups):
        samples = resample(
            lambda w: w @ copies / w.sum(axis=1), groups, 2000, named_generator(6, "b")
        )
        found = interval(float(copies.mean()), samples, 0.95)
        return found["high"] - found["low"]

    assert width(groups) == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.15)
    assert width(np.arange(1000)) < 0.5 * width(groups)


def test_undefined_resamplings_are_left_out():
    assert interval(1.0, np.array([np.nan, 0.0, 2.0]), 0.9)["low"] == pytest.approx(0.1)
    assert interval(1.0, np.array([np.nan]), 0.9) == {"value": 1.0, "low": 1.0, "high": 1.0}
