"""Baselines of targets along the sequence find what can be found, and the results tell of it."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.cnn import evaluate_cnn
from pipeline_lib.evaluation.constant import evaluate_constant
from pipeline_lib.evaluation.features_dense import FAR, NEAR, bin_features, stretch_codes
from pipeline_lib.evaluation.kmer import evaluate_kmers
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.finetuning.examples import Target, as_lists, write_examples
from tests.evaluation.tasks import examples, write_stats

SETTINGS = EvaluationConfig(bootstrap_samples=100, cnn_bases=4_000_000)
BASES = Target("bases", ("neither", "donor"), bin=1, units=300)
TRACKS = Target("tracks", ("GC", "noise"), bin=20, units=15)


def make(target, count=60, seed=0):
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACGT"), (count, 340))
    middle = slice(20, 320)
    if target.kind == "bases":
        sites = rng.random(letters.shape) < 0.02
        sites[:, -4:] = sites[:, :4] = False
        for row, place in zip(*np.nonzero(sites), strict=True):
            letters[row, place : place + 4] = list("GTAA")
        texts = ["".join(row) for row in letters]
        values = [[text[i : i + 4] == "GTAA" for i in range(20, 320)] for text in texts]
    else:
        texts = ["".join(row) for row in letters]
        strong = np.isin(letters[:, middle], ["C", "G"]).reshape(count, 15, 20).sum(axis=2)
        values = np.stack([strong, rng.poisson(3, strong.shape)], axis=2).reshape(count, -1)
    values = np.array(values, dtype=np.float32)
    values[::7, :3] = np.nan
    return examples(texts, values, target)


@pytest.mark.parametrize("target", [BASES, TRACKS], ids=["bases", "tracks"])
def test_baselines_are_ranked_by_what_they_can_see(target, tmp_path):
    made = make(target)
    write_examples(tmp_path / "examples.parquet", made)
    source = tmp_path / "examples.parquet"
    files = {name: tmp_path / f"{name}.parquet" for name in ("constant", "kmer", "cnn")}
    evaluate_constant(source, files["constant"], SETTINGS, seed=1)
    evaluate_kmers(source, files["kmer"], SETTINGS, seed=1)
    evaluate_cnn(source, files["cnn"], SETTINGS, seed=1, threads=1)
    stats = write_stats(tmp_path / "stats.json")
    evaluate_task(
        source, stats, files, {}, [], tmp_path / "a.json", tmp_path / "a.parquet", SETTINGS,
        name="none", task="toy", seed=1,
    )  # fmt: skip
    found = json.loads((tmp_path / "a.json").read_text())
    scores = found["scores"]
    assert found["kind"] == target.kind
    headline = found["headline"]
    if target.kind == "bases":
        sites = found["test_bases"]
        share = sites["donor"] / sum(sites.values())
        assert scores["constant"][headline]["value"] == pytest.approx(share)
        assert scores["kmer"][headline]["value"] > 0.9
        assert scores["kmer"]["top_k"]["value"] > 0.8
        assert scores["cnn"][headline]["value"] > 0.9
        assert np.sum(scores["cnn"]["confusion"]) == sum(sites.values())
    else:
        assert scores["constant"][headline]["value"] is None
        for family in ("kmer", "cnn"):
            assert scores[family]["by_name"]["GC"]["pearson"]["value"] > 0.8
            assert abs(scores[family]["by_name"]["noise"]["pearson"]["value"]) < 0.3
            loss, known = (scores[f]["by_name"]["GC"]["poisson_nll"] for f in (family, "constant"))
            assert loss["value"] < known["value"]
    for metric in (headline, "mcc" if target.kind == "bases" else "r2"):
        value = scores["kmer"][metric]
        assert value["low"] <= value["value"] <= value["high"]
    shown = pd.read_parquet(tmp_path / "a.parquet")
    assert {"constant", "kmer", "cnn"} <= set(shown.columns)


def test_features_are_what_they_say():
    rng = np.random.default_rng(1)
    text = "".join(rng.choice(list("ACGT"), 700))
    target = Target("bases", ("a", "b"), bin=1, units=100)
    found = bin_features(text, target, 2)
    base = 300 + 40
    near = text[base - NEAR : base + NEAR + 1]
    hot = np.array([[letter == base for base in "ACGT"] for letter in near], dtype=float)
    np.testing.assert_array_equal(found[40, 32:], hot.ravel())
    left, right = text[base - FAR : base], text[base + 1 : base + 1 + FAR + 1]
    for place, part in ((0, left), (16, right)):
        pairs = [part[i : i + 2] for i in range(len(part) - 1)]
        expected = [16 * pairs.count(a + b) / len(pairs) for a in "ACGT" for b in "ACGT"]
        np.testing.assert_allclose(found[40, place : place + 16], expected, rtol=1e-5)


def test_what_lies_beyond_the_sequence_is_unknown():
    target = Target("bases", ("a", "b"), bin=1, units=4)
    assert stretch_codes(["CACGTA", "NACGT"], target, 2).tolist() == [
        [4, 1, 0, 1, 2, 3, 0, 4],
        [4, 4, 4, 0, 1, 2, 3, 4],
    ]
    assert as_lists(np.zeros((2, 3)))[0].dtype == np.float32
