"""Linear models on what an untouched encoder gives: probes.

The encoder reads every example once. What it gives is kept on disk by a fingerprint of its weights
and of the tokens, so that further probes of the same examples need no encoder.
"""

import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.files import atomic_path
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.losses import Labels, Measurements, Objective, SeveralClasses
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.training import preferred_device, scoring_batches
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.pretraining.losses import autocast
from pipeline_lib.progress import progress

PENALTIES = (1e4, 1e3, 1e2, 10.0, 1.0)
"""Weights of the squared norm of the coefficients, tried in this order."""
ITERATIONS = 1000
ROWS = 4096
"""Examples whose labels are compared at a time."""

Features = NDArray[np.float32]
Linear = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coefficients (outputs, features) and intercepts (outputs,)."""


class Probe:
    """Fits the head of a classifier to an encoder that stays as it is.

    Parameters
    ----------
    classifier
        Model whose head is set.
    settings
        Precision of the encoder.
    objective
        Loss, scores and what the penalty is chosen by.
    cache
        Folder for what the encoder gives.

    Attributes
    ----------
    best_penalty, best_score
        The chosen penalty, and what it reached on the validation examples.
    """

    def __init__(
        self,
        classifier: SequenceClassifier,
        settings: FinetuningSettings,
        objective: Objective,
        *,
        cache: Path,
    ) -> None:
        self.device = preferred_device()
        self.classifier, self.settings = classifier.to(self.device).eval(), settings
        self.objective, self.cache = objective, cache
        self.best_penalty, self.best_score = 0.0, -math.inf
        self._fingerprint = fingerprint(classifier, settings.precision)

    def fit(self, train: EncodedExamples, *valid: EncodedExamples) -> list[dict[str, Any]]:
        """Fit a linear model for every penalty, keep the best, and return one record for each."""
        features = self.features(train)
        views = [self.features(view) for view in valid]
        scaler = Scaler.of(features)
        features = scaler.apply(features)
        history = []
        best: tuple[Tensor, Tensor] | None = None
        for penalty in PENALTIES:
            started = time.monotonic()
            head = _unscaled(_solve(self.objective, features, train.targets, penalty), scaler)
            scores = np.mean([self._scores(view, *head) for view in views], axis=0)
            score = self.objective.quality(valid[0].targets, scores)
            record = {"penalty": penalty, f"valid_{self.objective.measure}": score}
            history.append(record | {"seconds": round(time.monotonic() - started, 3)})
            if score > self.best_score:
                self.best_penalty, self.best_score, best = penalty, score, head
        assert best is not None  # scores are finite
        with torch.no_grad():
            self.classifier.head.weight.copy_(best[0])
            self.classifier.head.bias.copy_(best[1])
        return history

    def score(self, *views: EncodedExamples) -> NDArray[np.float64]:
        """Return the scores of each example, the mean over views of it; (examples, outputs)."""
        head = self.classifier.head
        weight, bias = head.weight.detach().cpu(), head.bias.detach().cpu()
        found = [self._scores(self.features(view), weight, bias) for view in views]
        return np.mean(found, axis=0)  # type: ignore[no-any-return]

    def features(self, examples: EncodedExamples) -> Features:
        """Return what the head sees of examples, numbers included; (examples, features)."""
        digest = hashlib.sha256(self._fingerprint)
        for part in (examples.tokens, examples.ends, examples.focus):
            digest.update(np.ascontiguousarray(part).tobytes())
        path = self.cache / f"{digest.hexdigest()[:32]}.npy"
        if not path.exists():
            self._embed(examples, path)
        pooled: Features = np.load(path)
        return np.concatenate([pooled, examples.numbers], axis=1)

    @torch.inference_mode()
    def _embed(self, examples: EncodedExamples, path: Path) -> None:
        """Write what the encoder gives of examples; runs side by side may do so at once."""
        shape = (len(examples), self.classifier.pooled_width)
        own = path.with_stem(f"{path.stem}-{os.getpid()}")
        with atomic_path(own) as temporary:
            pooled = np.lib.format.open_memmap(temporary, "w+", np.dtype(np.float32), shape)
            batches = scoring_batches(examples.lengths)
            for chosen in progress(batches, "embeddings", unit="batch"):
                tokens, mask, focus, _ = examples.batch(chosen, self.device)
                with autocast(self.settings.precision, self.device):
                    found = self.classifier.pool(tokens, mask, focus)
                pooled[chosen] = found.float().cpu().numpy()
            pooled.flush()
            del pooled
        own.replace(path)

    def _scores(self, features: Features, weight: Tensor, bias: Tensor) -> NDArray[np.float64]:
        outputs = torch.nn.functional.linear(torch.from_numpy(features), weight, bias)
        return self.objective.scores(outputs)


def fingerprint(classifier: SequenceClassifier, precision: str) -> bytes:
    """Return a fingerprint of an encoder, of how it is computed and of the pooling."""
    encoder = classifier.encoder
    how = [encoder.architecture.model_dump(mode="json"), classifier.pooling, classifier.causal]
    digest = hashlib.sha256(json.dumps([*how, precision], sort_keys=True).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()


def _unscaled(linear: Linear, scaler: Scaler) -> tuple[Tensor, Tensor]:
    """Return the head that does to features what a linear model does to scaled ones."""
    weight = linear[0] / scaler.deviation
    bias = linear[1] - weight @ scaler.mean
    return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()


def _solve(
    objective: Objective, features: Features, truth: NDArray[np.float32], penalty: float
) -> Linear:
    """Fit a linear model to features of mean 0 and deviation 1."""
    if isinstance(objective, SeveralClasses):
        return _classes(features, truth[:, 0].astype(np.int64), penalty, objective.weights)
    if isinstance(objective, Labels):
        return _labels(features, truth, penalty, objective)
    assert isinstance(objective, Measurements)
    return _numbers(features, objective.scaler.apply(truth), penalty)


def _classes(
    features: Features, labels: NDArray[np.int64], penalty: float, weights: NDArray[np.float32]
) -> Linear:
    model = LogisticRegression(
        C=1 / penalty, class_weight=dict(enumerate(weights.tolist())), max_iter=ITERATIONS
    )
    model.fit(features, labels)
    weight, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(weight) > 1:
        return weight, bias
    # Of two classes the model knows the odds alone.
    return np.concatenate([np.zeros_like(weight), weight]), np.array([0.0, bias[0]])


def _numbers(features: Features, truth: NDArray[np.float32], penalty: float) -> Linear:
    weight = np.zeros((truth.shape[1], features.shape[1]))
    bias = np.zeros(truth.shape[1])
    known = np.isfinite(truth)
    for column, rows in enumerate(known.T):
        own = features if rows.all() else features[rows]
        model = Ridge(alpha=penalty).fit(own, truth[rows, column])
        weight[column], bias[column] = model.coef_, model.intercept_
    return weight, bias


def _labels(
    features: Features, truth: NDArray[np.float32], penalty: float, objective: Labels
) -> Linear:
    """Fit a logistic regression for each label, all at once.

    What is minimised is the sum of what the regressions of the single labels minimise. Hundreds of
    labels then cost matrix products instead of hundreds of passes over the features.
    """
    present, known = (truth == 1).sum(axis=0), np.isfinite(truth).sum(axis=0)
    # Where there is nothing to tell apart, what is known is the frequency (rule of succession).
    frequency = (present + 1) / (known + 2)
    weight = np.zeros((truth.shape[1], features.shape[1]))
    bias = np.log(frequency / (1 - frequency))
    learnt = (present > 0) & (present < known)
    part = Labels(objective.weights[learnt])
    head = torch.zeros(int(learnt.sum()), features.shape[1] + 1, requires_grad=True)
    wanted = truth[:, learnt]
    if len(head):
        _minimise(head, features, wanted, part, penalty)
    found = head.detach().double().numpy()
    weight[learnt], bias[learnt] = found[:, :-1], found[:, -1]
    return weight, bias


def _minimise(
    head: Tensor, features: Features, truth: NDArray[np.float32], labels: Labels, penalty: float
) -> None:
    """Find coefficients and, in the last column, intercepts by L-BFGS; both begin with 0."""
    count = len(features)
    optimizer = torch.optim.LBFGS(
        [head],
        max_iter=ITERATIONS,
        history_size=20,
        tolerance_grad=1e-6,
        tolerance_change=1e-8,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        total = penalty / 2 * head[:, :-1].square().sum() / count
        total.backward()  # type: ignore[no-untyped-call]
        for first in range(0, count, ROWS):
            rows = slice(first, first + ROWS)
            outputs = torch.from_numpy(features[rows]) @ head[:, :-1].T + head[:, -1]
            part = labels.loss(outputs, truth[rows]) / count
            part.backward()  # type: ignore[no-untyped-call]
            total = total.detach() + part.detach()
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
