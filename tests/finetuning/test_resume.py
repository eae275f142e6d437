"""Tuning that is interrupted, and ends as if it had not been."""

import os
import signal
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from pipeline_lib.finetuning.encoding import encode_examples
from pipeline_lib.finetuning.lora import add_low_rank
from pipeline_lib.finetuning.losses import TwoClasses
from pipeline_lib.finetuning.resume import Saved
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.transformer import Transformer
from pipeline_lib.stopping import Stopped, stop_signals
from tests.finetuning import toys
from tests.finetuning.test_tune import model, tokenizer, tune  # noqa: F401

SHAPE = toys.SHAPE.model_copy(update={"width": 16, "feedforward_width": 16, "dropout": 0.2})


@pytest.fixture(scope="module")
def encoded(tokenizer):  # noqa: F811
    examples = toys.make_examples(count=64)
    return {
        split: encode_examples(part, tokenizer, context_length=64)
        for split, part in examples.table.groupby("split")
    }


@dataclass(frozen=True)
class Interrupted(TwoClasses):
    """Two classes; after some batches, of training or of scoring, something befalls the run."""

    after: list[int] = field(default_factory=list)
    crash: bool = False

    def weight(self, truth):
        self.count()
        return super().weight(truth)

    def scores(self, outputs):
        self.count()
        return super().scores(outputs)

    def count(self):
        self.after[0] -= 1
        if self.after[0] == 0 and self.crash:
            raise KeyError("pulled the plug")
        if self.after[0] == 0:
            os.kill(os.getpid(), signal.SIGUSR1)


def start(encoded, folder, method, objective, stopped=lambda: 0, **changes):
    task = toys.make_task(batch_size=8, epochs=3, method=method, **changes)
    torch.manual_seed(5)
    prompt = 3 if method == "prompt" else 0
    encoder = Transformer(SHAPE, 100)
    classifier = SequenceClassifier(encoder, 2, "attention", 0.3, prompt_tokens=prompt)
    if method == "lora":
        add_low_rank(encoder, rank=2, alpha=4)
    crash = getattr(objective, "crash", False)
    saved = None if folder is None else Saved(folder, "run", interval=0 if crash else 60)
    return Tuner(classifier, task, objective, seed=1, saved=saved, stopped=stopped)


def result(tuner, encoded):
    history = tuner.fit(encoded["train"], encoded["valid"])
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in history]
    weights = {name: weight.clone() for name, weight in tuner.classifier.named_parameters()}
    return lines, weights, tuner.score(encoded["test"])


def same(one, other):
    assert one[0] == other[0]
    assert all(torch.equal(one[1][name], other[1][name]) for name in one[1])
    np.testing.assert_array_equal(one[2], other[2])


@pytest.mark.parametrize(
    ("method", "changes", "crash", "after"),
    [
        ("full", {}, False, (1, 5)),  # at once, then in the second epoch
        ("full", {}, False, (6,)),  # while the first epoch is being scored
        ("full", {"optimizer": "muon"}, True, (9,)),
        ("lora", {}, True, (5, 3)),
        ("prompt", {}, False, (12,)),
    ],
)
def test_runs_end_the_same_wherever_they_are_interrupted(
    encoded, tmp_path, method, changes, crash, after
):
    """Counted are batches of 8 in training, of which an epoch has 4, and the one of scoring."""
    weights = np.ones(2, dtype=np.float32)
    plain = TwoClasses(weights)
    whole = result(start(encoded, None, method, plain, **changes), encoded)
    assert len(whole[0]) == 3
    for count in after:
        objective = Interrupted(weights, [count], crash)
        with stop_signals() as stopped:
            tuner = start(encoded, tmp_path / "kept", method, objective, stopped, **changes)
            with pytest.raises(KeyError if crash else Stopped):
                tuner.fit(encoded["train"], encoded["valid"])
        assert tuner.position.step > 0
    same(whole, result(start(encoded, tmp_path / "kept", method, plain, **changes), encoded))


def test_other_settings_begin_anew_and_nothing_is_left_of_a_run_that_is_over(tune, tmp_path):  # noqa: F811
    examples = toys.make_examples(count=96)
    folder = tune(examples, epochs=1)
    left = folder / "checkpoints"
    assert [path.name for path in left.iterdir()] == ["run"]
    first = (left / "run").read_text()
    tune(examples, epochs=1, learning_rate=1e-3)
    assert (left / "run").read_text() != first
    tune(examples, epochs=1, seeds=[1, 2, 3, 4])
    assert (left / "run").read_text() == first
    assert not list(folder.glob("checkpoints-*"))
