"""Metrics of targets along the sequence equal those of scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn import metrics as sk

from pipeline_lib.evaluation import metrics_bases, metrics_classes
from pipeline_lib.evaluation.measures import Predicted, measures_of
from pipeline_lib.evaluation.metrics_bases import BaseScores
from pipeline_lib.evaluation.metrics_tracks import SMALLEST, TrackScores
from pipeline_lib.finetuning.examples import Target


def made_up(seed, examples=12, bases=30, classes=3, ties=True):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, (examples, bases), p=[0.8, 0.15, 0.05]).astype(np.float32)
    logits = rng.normal(size=(examples, bases, classes)) + 2 * np.eye(classes)[truth.astype(int)]
    scores = np.exp(logits.round(0) if ties else logits)
    scores /= scores.sum(axis=2, keepdims=True)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    weights = rng.multinomial(examples, np.ones(examples) / examples, 2).astype(float)
    return truth, scores.reshape(examples, -1).astype(np.float32), weights


def flat(truth, scores, drawn):
    """Return labels, scores and weights of all known bases."""
    known = ~np.isnan(truth)
    table = scores.reshape(*truth.shape, -1)[known]
    weights = np.broadcast_to(drawn[:, None], truth.shape)[known]
    return truth[known].astype(int), table, weights


FEW = settings(max_examples=6)


@FEW
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_bases_equal_scikit_learn(seed, ties):
    truth, scores, weights = made_up(seed, ties=ties)
    found = BaseScores(truth, scores)
    for drawn in (None, weights):
        rows = np.ones((1, len(truth))) if drawn is None else drawn
        for number in range(3):
            area = found.of(number).auprc(drawn)
            for value, row in zip(area, rows, strict=True):
                labels, table, times = flat(truth, scores, row)
                if not times[labels == number].sum():
                    assert np.isnan(value)
                    continue
                expected = sk.average_precision_score(
                    labels == number, table[:, number], sample_weight=times
                )
                assert value == pytest.approx(expected, abs=1e-9)
        for table, row in zip(found.confusion(drawn), rows, strict=True):
            labels, probabilities, times = flat(truth, scores, row)
            called = probabilities.argmax(axis=1)
            expected = sk.confusion_matrix(labels, called, sample_weight=times, labels=range(3))
            np.testing.assert_allclose(table, expected)
            assert metrics_classes.mcc(table[None])[0] == pytest.approx(
                sk.matthews_corrcoef(labels, called, sample_weight=times), abs=1e-9
            )


@FEW
@given(st.integers(0, 2**32 - 1))
def test_top_k_is_the_share_of_sites_among_the_best(seed):
    truth, scores, weights = made_up(seed)
    found = BaseScores(truth, scores)
    for drawn in (None, weights):
        rows = np.ones((1, len(truth))) if drawn is None else drawn
        for value, row in zip(found.of(1).top_k(drawn), rows, strict=True):
            labels, table, times = flat(truth, scores, row)
            sites = np.repeat(labels == 1, times.astype(int))
            ranked = np.lexsort((sites, -np.repeat(table[:, 1], times.astype(int))))
            k = int(sites.sum())
            assert value == pytest.approx(sites[ranked[:k]].mean()) if k else np.isnan(value)


def test_many_thresholds_are_thinned_for_resamplings_alone(monkeypatch):
    truth, scores, weights = made_up(0, examples=60, bases=400, ties=False)
    exact = BaseScores(truth, scores).of(1)
    point, samples = exact.auprc(), exact.auprc(weights[:, :12].repeat(5, axis=1))
    monkeypatch.setattr(metrics_bases, "STEPS", 300)
    thin = BaseScores(truth, scores).of(1)
    assert thin.auprc() == point
    thinned = thin.auprc(weights[:, :12].repeat(5, axis=1))
    np.testing.assert_allclose(thinned, samples, atol=2e-3)
    assert (thinned != samples).any()


@FEW
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1e4]))
def test_tracks_equal_scipy_and_scikit_learn(seed, size):
    rng = np.random.default_rng(seed)
    truth = (rng.gamma(2, 1, (9, 14)) * size).astype(np.float32)
    scores = (truth * rng.gamma(3, 0.3, truth.shape) + 0.01).astype(np.float32)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    weights = rng.multinomial(9, np.ones(9) / 9, 2).astype(float)
    found = TrackScores(truth, scores, 2)
    for drawn in (None, weights):
        rows = np.ones((1, 9)) if drawn is None else drawn
        measured = found.measure(drawn)
        for sample, row in enumerate(rows):
            for track in range(2):
                columns = (v.reshape(9, 7, 2)[:, :, track] for v in (truth, scores))
                true, guess = (np.repeat(v, row.astype(int), axis=0).ravel() for v in columns)
                known = ~np.isnan(true)
                true, guess = true[known].astype(float), guess[known].astype(float)
                here = {name: values[sample, track] for name, values in measured.items()}
                assert here["pearson"] == pytest.approx(pearsonr(true, guess)[0], abs=1e-7)
                assert here["r2"] == pytest.approx(sk.r2_score(true, guess), rel=1e-7)
                loss = (guess - true * np.log(np.maximum(guess, SMALLEST))).mean()
                assert here["poisson_nll"] == pytest.approx(loss, rel=1e-7)


def test_what_is_constant_has_no_correlation():
    truth = np.random.default_rng(0).gamma(2, 1, (5, 6)).astype(np.float32)
    found = TrackScores(truth, np.full_like(truth, 0.1), 1).measure()
    assert np.isnan(found["pearson"]).all()
    assert np.isfinite(found["poisson_nll"]).all()


def test_headlines_leave_the_background_out():
    truth, scores, weights = made_up(3)
    target = Target("bases", ("neither", "acceptor", "donor"), bin=1, units=30)
    measures = measures_of(target)
    for drawn in (None, weights):
        found = measures.every(Predicted(truth, scores), drawn)
        areas = [found["by_name", name, "auprc"] for name in target.names[1:]]
        np.testing.assert_allclose(found["auprc",], np.nanmean(areas, axis=0))
        main = measures.main(Predicted(truth, scores), drawn)
        np.testing.assert_array_equal(main["auprc",], found["auprc",])
    assert measures.headline == "auprc"
    assert (
        sum(item["count"] for item in measures.calibration(Predicted(truth, scores)))
        == (~np.isnan(truth)).sum()
    )
