"""The training loop of fine-tuning: epochs, early stopping, scores."""

import copy
import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.finetuning.encoding import EncodedExamples, training_batches
from pipeline_lib.finetuning.losses import Objective
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.pretraining.losses import autocast
from pipeline_lib.pretraining.optimizer import learning_rate, make_optimizers, set_learning_rate
from pipeline_lib.progress import progress

SCORING_BATCH = 128


class Tuner:
    """Trains a classifier and keeps its best epoch.

    Parameters
    ----------
    classifier
        Model to train, in place: its weights that ask for gradients.
    settings
        Optimizer, epochs and patience.
    objective
        Loss, scores and what the best epoch is chosen by.
    seed
        Seed of the order of examples.

    Attributes
    ----------
    best_epoch, best_score
        Number of the best epoch, counted from 1, and its score on the validation examples, by
        the measure of the objective.
    """

    def __init__(
        self,
        classifier: SequenceClassifier,
        settings: FinetuningSettings,
        objective: Objective,
        *,
        seed: int,
    ) -> None:
        self.device = preferred_device()
        self.classifier, self.settings, self.seed = classifier.to(self.device), settings, seed
        self.objective = objective
        self.optimizers = make_optimizers(classifier, settings)
        self.best_epoch, self.best_score = 0, -math.inf
        self._step = 0

    def fit(self, train: EncodedExamples, *valid: EncodedExamples) -> list[dict[str, Any]]:
        """Train until the epochs are over or patience is, and return one record an epoch.

        The weights are those of the best epoch afterwards. Validation examples may be given as
        either strand shows them.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        """
        settings = self.settings
        steps = math.ceil(len(train) / settings.batch_size) * settings.epochs
        history: list[dict[str, Any]] = []
        best_state: dict[str, Tensor] = {}
        for epoch in range(1, settings.epochs + 1):
            started = time.monotonic()
            loss = self._train_epoch(train, epoch, steps)
            score = self.objective.quality(valid[0].targets, self.score(*valid))
            record = {"epoch": epoch, "step": self._step, "loss": loss}
            record[f"valid_{self.objective.measure}"] = score
            history.append(record | {"seconds": round(time.monotonic() - started, 3)})
            if score > self.best_score:
                self.best_epoch, self.best_score = epoch, score
                best_state = copy.deepcopy(self.classifier.state_dict())
            elif epoch - self.best_epoch >= settings.patience:
                break
        self.classifier.load_state_dict(best_state)
        return history

    def score(self, *views: EncodedExamples) -> NDArray[np.float64]:
        """Return the scores of each example, the mean over views of it; (examples, outputs)."""
        return mean_scores(
            self.classifier, self.objective, *views, precision=self.settings.precision
        )

    def _train_epoch(self, train: EncodedExamples, epoch: int, steps: int) -> float:
        """Train on all examples once and return the mean loss of an example."""
        self.classifier.train()
        batches = training_batches(
            train.lengths, self.settings.batch_size, seed=self.seed, epoch=epoch
        )
        total = 0.0
        for batch in progress(batches, f"epoch {epoch}", unit="step"):
            loss = self._train_step(train, batch, steps)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} at step {self._step} of seed {self.seed}. "
                    "To fix: lower `learning_rate` of the task."
                )
            total += loss * len(batch)
        return total / len(train)

    def _train_step(self, train: EncodedExamples, batch: NDArray[np.int64], steps: int) -> float:
        settings = self.settings
        rate = learning_rate(
            self._step,
            peak=settings.learning_rate,
            warmup=round(settings.warmup_share * steps),
            total=steps,
            schedule=settings.schedule,
            decay_share=settings.decay_share,
        )
        set_learning_rate(self.optimizers, rate)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        # Nothing may be known of a whole batch: its loss is then 0, and so are its gradients.
        weight = self.objective.weight(train.targets[batch]) or 1.0
        total = 0.0
        for part in np.array_split(batch, min(settings.accumulation, len(batch))):
            inputs = train.batch(part, self.device)
            with autocast(settings.precision, self.device):
                outputs = self.classifier(*inputs)
            # The weighted mean over the whole batch, whatever the parts.
            losses = self.objective.loss(outputs, train.targets[part])
            (losses / weight).backward()  # type: ignore[no-untyped-call]
            total += float(losses.detach())
        torch.nn.utils.clip_grad_norm_(self.classifier.parameters(), settings.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        self._step += 1
        return total / weight


def preferred_device() -> torch.device:
    """Return the GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mean_scores(
    classifier: SequenceClassifier,
    objective: Objective,
    *views: EncodedExamples,
    precision: str,
) -> NDArray[np.float64]:
    """Return the scores of each example, the mean over views of it; (examples, outputs)."""
    found = [_scores(classifier, objective, view, precision) for view in views]
    return np.mean(found, axis=0)  # type: ignore[no-any-return]


@torch.inference_mode()
def _scores(
    classifier: SequenceClassifier, objective: Objective, examples: EncodedExamples, precision: str
) -> NDArray[np.float64]:
    classifier.eval()
    device = classifier.head.weight.device
    scores = np.empty((len(examples), classifier.head.out_features))
    for chosen in scoring_batches(examples.lengths):
        with autocast(precision, device):
            outputs = classifier(*examples.batch(chosen, device))
        scores[chosen] = objective.scores(outputs)
    return scores


def scoring_batches(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return batches of all examples, in the order of their lengths."""
    order = np.argsort(lengths, kind="stable")
    return [order[first : first + SCORING_BATCH] for first in range(0, len(order), SCORING_BATCH)]
