"""The training loop: epochs, early stopping, accumulation, scores."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch

from pipeline_lib.errors import TrainingError
from pipeline_lib.finetuning.encoding import encode_examples, joined, mirrored
from pipeline_lib.finetuning.losses import TwoClasses, make_objective
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.transformer import Transformer
from tests.finetuning import toys


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return toys.write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


def encode(examples, tokenizer):
    return {
        split: encode_examples(part, tokenizer, context_length=64)
        for split, part in examples.table.groupby("split")
    }


def tuner(encoded, target=toys.CLASSES, objective=None, seed=1, **changes):
    task = toys.make_task(**changes)
    torch.manual_seed(seed)
    classifier = SequenceClassifier(Transformer(toys.SHAPE, 100), target.outputs, task.pooling, 0.0)
    objective = objective or make_objective(target, encoded["train"].targets, task)
    return Tuner(classifier, task, objective, seed=seed)


def test_scores_are_probabilities_in_spite_of_class_weights(tokenizer):
    examples = toys.make_examples(count=1200)
    keep = np.array([row[0] == 0 for row in examples.table["target"]])
    keep |= np.random.default_rng(1).random(len(keep)) < 0.25
    table = examples.table[keep]
    letters = np.random.default_rng(2).choice(list("ACGT"), (len(table), 63))
    table = table.assign(sequence=["".join(row) for row in letters])  # nothing to be learnt
    encoded = encode(toys.Examples(table, toys.CLASSES), tokenizer)
    tuned = tuner(encoded, epochs=2, learning_rate=1e-3)
    tuned.fit(encoded["train"], encoded["valid"])
    weights = tuned.objective.weights
    assert weights[1] > 2 * weights[0]
    frequency = encoded["train"].targets.mean()
    assert tuned.score(encoded["train"])[:, 1].mean() == pytest.approx(frequency, abs=0.05)


@pytest.mark.parametrize("name", ["two", "labels", "numbers"])
def test_accumulation_changes_nothing_but_memory(tokenizer, name):
    target = toys.TARGETS[name]
    encoded = encode(toys.make_examples(target, 240), tokenizer)
    scores = []
    for parts in (1, 3):
        tuned = tuner(encoded, target, epochs=1, accumulation=parts)
        tuned.fit(encoded["train"], encoded["valid"])
        scores.append(tuned.score(encoded["test"]))
    np.testing.assert_allclose(*scores, rtol=1e-3, atol=1e-4)


@dataclass(frozen=True)
class Scripted(TwoClasses):
    """Two classes, and qualities as they are given."""

    script: list[float] = field(default_factory=list)
    seen: list[np.ndarray] = field(default_factory=list)
    measure: ClassVar[str] = "script"

    def quality(self, truth, scores):
        self.seen.append(scores)
        return self.script[len(self.seen) - 1]


def test_patience_and_the_best_epoch(tokenizer):
    encoded = encode(toys.make_examples(count=240), tokenizer)
    objective = Scripted(np.ones(2, dtype=np.float32), [0.5, 0.9, 0.7, 0.8, 0.95])
    tuned = tuner(encoded, objective=objective, epochs=9, patience=2)
    history = tuned.fit(encoded["train"], encoded["valid"])
    assert [line["valid_script"] for line in history] == [0.5, 0.9, 0.7, 0.8]
    assert (tuned.best_epoch, tuned.best_score) == (2, 0.9)
    np.testing.assert_array_equal(tuned.score(encoded["valid"]), objective.seen[1])


def test_a_loss_that_is_not_finite_stops_the_run(tokenizer):
    encoded = encode(toys.make_examples(count=80), tokenizer)
    tuned = tuner(encoded)
    with torch.no_grad():
        tuned.classifier.head.bias[0] = float("nan")
    with pytest.raises(TrainingError, match=r"loss is nan at step 1 .*lower `learning_rate`"):
        tuned.fit(encoded["train"], encoded["valid"])


def test_batches_of_which_nothing_is_known_are_passed_over(tokenizer):
    examples = toys.make_examples(toys.LABELS, 96)
    unknown = np.full(3, np.nan, dtype=np.float32)
    targets = [unknown if row < 40 else known for row, known in enumerate(examples.targets())]
    table = examples.table.assign(target=targets)
    encoded = encode(toys.Examples(table, toys.LABELS), tokenizer)
    tuned = tuner(encoded, toys.LABELS, batch_size=2, epochs=1)
    history = tuned.fit(encoded["train"], encoded["valid"])
    assert np.isfinite(history[0]["loss"]) and history[0]["loss"] > 0
    assert np.isfinite(tuned.score(encoded["test"])).all()


def test_views_are_averaged_whatever_their_order(tokenizer):
    table = toys.make_examples(count=100).table
    views = [
        encode_examples(side, tokenizer, context_length=64) for side in (table, mirrored(table))
    ]
    tuned = tuner({"train": views[0]})
    both = tuned.score(*views)
    assert both.shape == (100, 2)
    np.testing.assert_allclose(both, tuned.score(*views[::-1]))
    each = [tuned.score(view) for view in views]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2)
    assert abs(each[0] - each[1]).max() > 1e-4
    np.testing.assert_allclose(tuned.score(joined(*views)), np.concatenate(each), atol=1e-6)
