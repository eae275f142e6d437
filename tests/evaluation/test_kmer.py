"""The k-mer regression: features, what it may see, and what it reaches on made-up tasks."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.constant import evaluate_constant
from pipeline_lib.evaluation.features import features, gap_at_focus, kmer_counts, scale
from pipeline_lib.evaluation.kmer import evaluate_kmers
from pipeline_lib.evaluation.linear import PENALTIES, trials
from pipeline_lib.evaluation.predictions import read_predictions
from pipeline_lib.finetuning.examples import Examples, as_lists, write_examples
from tests.evaluation import tasks

SETTINGS = EvaluationConfig(baseline_kmers=(1, 2))


@given(
    st.text(alphabet="ACGTN", min_size=3, max_size=30),
    st.integers(1, 3),
    st.sampled_from([0, 3]),
    st.data(),
)
def test_counts_are_of_both_sides_apart_from_the_gap(sequence, k, gap, data):
    focus = data.draw(st.integers(-1, len(sequence) - 3))
    frame = pd.DataFrame({"sequence": [sequence], "focus": [focus]})
    found = kmer_counts(frame, k, gap=gap).toarray()[0]
    sides = [sequence] if focus < 0 else [sequence[:focus], sequence[focus + gap :]]
    assert found.shape == (len(sides) * 4**k,)
    words = [Counter(text[i : i + k] for i in range(len(text) - k + 1)) for text in sides]
    for side, counter in enumerate(words):
        for word, count in counter.items():
            if "N" not in word:
                code = int("".join(str("ACGT".index(letter)) for letter in word), 4)
                assert found[side * 4**k + code] == count
    assert found.sum() == sum(n for side in words for word, n in side.items() if "N" not in word)


def test_a_codon_that_all_share_is_left_out_and_others_are_not():
    table = tasks.start_sites(300).table
    assert gap_at_focus(table) == 3
    other = table.copy()
    other.loc[0, "sequence"] = "A" * 63
    assert gap_at_focus(other) == 0
    assert gap_at_focus(table.assign(focus=-1)) == 0


def test_scaling_equals_sklearn_and_sees_training_rows_alone():
    table = tasks.start_sites(300).table
    train = (table["split"] == "train").to_numpy()
    counts = kmer_counts(table, 2)
    scaler = StandardScaler(with_mean=False).fit(counts[train])
    np.testing.assert_allclose(
        scale(counts, train).toarray(), scaler.transform(counts).toarray(), rtol=1e-4
    )
    changed = counts.toarray()
    changed[~train] *= 7
    again = scale(type(counts)(changed), train)
    np.testing.assert_array_equal(again[train].toarray(), scale(counts, train)[train].toarray())


def test_partners_and_numbers_are_further_columns():
    paired, numbers = tasks.pairs(100), tasks.composition_numbers(100)
    assert features(paired, 2).shape == (100, 2 * 16)
    assert features(numbers, 2).shape == (100, 16 + 1)
    given_number = features(numbers, 2).toarray()[:, -1]
    train = (numbers.table["split"] == "train").to_numpy()
    assert given_number[train].std() == pytest.approx(1, rel=1e-3)


def test_ridge_equals_sklearn_where_targets_are_unknown():
    numbers = tasks.composition_numbers(120)
    table, truth = features(numbers, 2), numbers.targets()
    train = (numbers.table["split"] == "train").to_numpy()
    for (about, found), penalty in zip(
        trials(numbers.target, table, truth, train, seed=1), PENALTIES, strict=True
    ):
        assert about == {"alpha": penalty}
        for column in range(2):
            rows = train & ~np.isnan(truth[:, column])
            model = Ridge(alpha=penalty).fit(table[rows].toarray(), truth[rows, column])
            np.testing.assert_allclose(
                found[:, column], model.predict(table.toarray()), rtol=1e-3, atol=1e-3
            )


def run(tmp_path, examples: Examples, evaluate=evaluate_kmers):
    write_examples(tmp_path / "examples.parquet", examples)
    evaluate(tmp_path / "examples.parquet", tmp_path / "out.parquet", SETTINGS, seed=1)
    held = examples.table[examples.table["split"] != "train"]
    scores = read_predictions(tmp_path / "out.parquet", held, examples.target.outputs)
    about = json.loads(pq.read_schema(tmp_path / "out.parquet").metadata[b"dnalm"])
    test = (held["split"] == "test").to_numpy()
    return scores, scores[test], examples.of("test").targets(), about


def test_two_classes_that_composition_tells_apart(tmp_path):
    examples = tasks.start_sites()
    scores, test, truth, about = run(tmp_path, examples)
    assert scores.shape == (200, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert roc_auc_score(truth[:, 0], test[:, 1]) > 0.75
    assert about["chosen"] in about["trials"]
    assert about["chosen"]["valid_auroc"] == max(t["valid_auroc"] for t in about["trials"])


def test_three_classes(tmp_path):
    _, test, truth, about = run(tmp_path, tasks.composition_classes())
    np.testing.assert_allclose(test.sum(axis=1), 1, rtol=1e-6)
    assert (test.argmax(axis=1) == truth[:, 0]).mean() > 0.7
    assert about["chosen"]["valid_mcc"] > 0.5


def test_labels_some_of_which_are_unknown(tmp_path):
    _, test, truth, about = run(tmp_path, tasks.composition_labels())
    for label in range(4):
        known = ~np.isnan(truth[:, label])
        assert roc_auc_score(truth[known, label], test[known, label]) > 0.9
    assert ((test >= 0) & (test <= 1)).all()
    assert about["chosen"]["alpha"] in PENALTIES


def test_numbers_are_in_the_units_of_the_target(tmp_path):
    _, test, truth, _ = run(tmp_path, tasks.composition_numbers())
    assert pearsonr(truth[:, 0], test[:, 0]).statistic > 0.9
    assert test[:, 0].mean() == pytest.approx(truth[:, 0].mean(), rel=0.02)
    known = ~np.isnan(truth[:, 1])
    assert pearsonr(truth[known, 1], test[known, 1]).statistic > 0.9


def test_a_partner_is_seen(tmp_path):
    _, test, truth, _ = run(tmp_path, tasks.pairs())
    assert roc_auc_score(truth[:, 0], test[:, 1]) > 0.8


@pytest.mark.parametrize("what", ["labels", "sequences"])
def test_nothing_is_chosen_on_test_examples(tmp_path, what):
    examples = tasks.start_sites(300)
    scores, *_, about = run(tmp_path, examples)
    table = examples.table.copy()
    test = table["split"] == "test"
    if what == "labels":
        swapped = np.where(test, 1 - examples.targets()[:, 0], examples.targets()[:, 0])
        table["target"] = as_lists(swapped[:, None])
    else:
        table.loc[test, "sequence"] = "C" * 30 + "ATG" + "T" * 30
    again, *_, about_again = run(tmp_path, Examples(table, examples.target))
    valid = (table.loc[table["split"] != "train", "split"] == "valid").to_numpy()
    np.testing.assert_array_equal(scores[valid], again[valid])
    assert about_again["trials"] == about["trials"]


def test_the_constant_is_what_training_examples_are_on_average(tmp_path):
    for examples in (
        tasks.composition_classes(), tasks.composition_labels(), tasks.composition_numbers()
    ):  # fmt: skip
        scores, *_ = run(tmp_path, examples, evaluate_constant)
        assert (scores == scores[0]).all()
        truth = examples.of("train").targets()
        if examples.target.kind == "class":
            expected = [(truth == name).mean() for name in range(3)]
        else:
            expected = np.nanmean(truth, axis=0)
        np.testing.assert_allclose(scores[0], expected, rtol=1e-5)
