"""Probes: linear models on what an untouched encoder gives, and what is kept of it."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline_lib.finetuning.encoding import encode_examples
from pipeline_lib.finetuning.losses import make_objective
from pipeline_lib.finetuning.probe import PENALTIES, Probe
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.transformer import Transformer
from tests.finetuning import toys


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return toys.write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


def encode(examples, tokenizer):
    return [
        encode_examples(examples.of(split).table, tokenizer, context_length=64)
        for split in ("train", "valid", "test")
    ]


def make_probe(target, train, cache, *, seed=1, **changes):
    task = toys.make_task(method="probe", **changes)
    torch.manual_seed(seed)
    classifier = SequenceClassifier(
        Transformer(toys.SHAPE, 100),
        target.outputs,
        task.pooling,
        0.3,
        numbers=train.numbers.shape[1],
    )
    return Probe(classifier, task, make_objective(target, train.targets, task), cache=cache)


@pytest.mark.parametrize("name", ["two", "three"])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_classes_are_those_of_a_logistic_regression(tokenizer, tmp_path, name, class_weights):
    target = toys.TARGETS[name]
    train, valid, test = encode(toys.make_examples(target, 240), tokenizer)
    probe = make_probe(target, train, tmp_path, pooling="mean", class_weights=class_weights)
    probe.fit(train, valid)
    model = make_pipeline(
        StandardScaler(),
        LogisticRegression(
            C=1 / probe.best_penalty,
            class_weight=None if class_weights == "none" else "balanced",
            max_iter=5000,
        ),
    )
    labels = train.targets[:, 0].astype(int)
    found = model.fit(probe.features(train), labels).predict_proba(probe.features(test))
    odds = found * np.bincount(labels) if class_weights == "balanced" else found
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probe.score(test), expected, atol=5e-3)


def test_numbers_are_those_of_a_ridge_regression(tokenizer, tmp_path):
    examples = toys.make_examples(toys.NUMBERS, 240)
    train, valid, test = encode(examples, tokenizer)
    probe = make_probe(toys.NUMBERS, train, tmp_path, pooling="mean")
    history = probe.fit(train, valid)
    assert [line["penalty"] for line in history] == list(PENALTIES)
    assert probe.best_score == max(line["valid_pearson"] for line in history)
    scores = probe.score(test)
    for column in range(2):
        known = np.isfinite(train.targets[:, column])
        features = StandardScaler().fit(probe.features(train))
        model = Ridge(alpha=probe.best_penalty).fit(
            features.transform(probe.features(train)[known]), train.targets[known, column]
        )
        expected = model.predict(features.transform(probe.features(test)))
        np.testing.assert_allclose(scores[:, column], expected, rtol=1e-3)


def test_labels_are_learnt_each_from_what_is_known_of_it(tokenizer, tmp_path):
    examples = toys.make_examples(toys.LABELS, 240)
    targets = examples.targets()
    targets[:, 2] = 1  # of this one there is nothing to learn but that it is frequent
    table = examples.table.assign(target=list(targets))
    train, valid, test = encode(toys.Examples(table, toys.LABELS), tokenizer)
    probe = make_probe(toys.LABELS, train, tmp_path, label_weights="balanced")
    probe.fit(train, valid)
    scores = probe.score(test)
    known = len(train.targets)
    np.testing.assert_allclose(scores[:, 2], (known + 1) / (known + 2), rtol=1e-5)
    scaler = StandardScaler().fit(probe.features(train))
    for column in range(2):
        rows = np.isfinite(train.targets[:, column])
        labels = train.targets[rows, column].astype(int)
        weight = (labels == 0).sum() / (labels == 1).sum()
        model = LogisticRegression(
            C=1 / probe.best_penalty, class_weight={0: 1, 1: weight}, max_iter=5000
        ).fit(scaler.transform(probe.features(train)[rows]), labels)
        odds = np.exp(model.decision_function(scaler.transform(probe.features(test)))) / weight
        np.testing.assert_allclose(scores[:, column], odds / (1 + odds), atol=5e-3)
    assert probe.objective.quality(test.targets, scores) > 0.9


def test_numbers_given_with_a_sequence_are_seen(tokenizer, tmp_path):
    examples = toys.make_examples(toys.CLASSES, 240)
    letters = np.random.default_rng(2).choice(list("ACGT"), (240, 63))
    numbers = examples.targets() + 0.1
    table = examples.table.assign(sequence=["".join(row) for row in letters], numbers=list(numbers))
    train, valid, test = encode(toys.Examples(table, toys.CLASSES), tokenizer)
    probe = make_probe(toys.CLASSES, train, tmp_path)
    probe.fit(train, valid)
    assert probe.objective.quality(test.targets, probe.score(test)) > 0.95


def test_the_encoder_reads_every_example_once(tokenizer, tmp_path):
    train, valid, test = encode(toys.make_examples(toys.CLASSES, 120), tokenizer)
    probe = make_probe(toys.CLASSES, train, tmp_path)
    before = {name: w.clone() for name, w in probe.classifier.encoder.state_dict().items()}
    probe.fit(train, valid)
    scores = probe.score(test)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    times = [file.stat().st_mtime_ns for file in files]
    again = make_probe(toys.CLASSES, train, tmp_path)
    again.fit(train, valid)
    np.testing.assert_array_equal(again.score(test), scores)
    assert [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())] == times
    for name, weight in probe.classifier.encoder.state_dict().items():
        assert torch.equal(weight, before[name])


def test_what_is_kept_is_that_of_the_same_encoder_and_tokens(tokenizer, tmp_path):
    train, valid, _ = encode(toys.make_examples(toys.CLASSES, 120), tokenizer)
    probes = [
        make_probe(toys.CLASSES, train, tmp_path),
        make_probe(toys.CLASSES, train, tmp_path, seed=2),
        make_probe(toys.CLASSES, train, tmp_path, pooling="mean"),
    ]
    found = [probe.features(train) for probe in probes]
    assert len(list(tmp_path.iterdir())) == 3
    assert not np.allclose(found[0], found[1])
    assert found[2].shape[1] < found[0].shape[1]
    probes[0].features(valid)
    assert len(list(tmp_path.iterdir())) == 4
