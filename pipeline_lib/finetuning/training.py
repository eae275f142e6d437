"""The training loop of fine-tuning: epochs, early stopping, scores."""

import copy
import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.finetuning.encoding import EncodedExamples, training_batches
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
        Model to train, in place.
    settings
        Optimizer, epochs, patience and class weights.
    seed
        Seed of the order of examples.

    Attributes
    ----------
    best_epoch, best_score
        Number of the best epoch, counted from 1, and its AUROC on the validation examples.
    """

    def __init__(
        self, classifier: SequenceClassifier, settings: FinetuningSettings, *, seed: int
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.classifier, self.settings, self.seed = classifier.to(self.device), settings, seed
        self.optimizers = make_optimizers(classifier, settings)
        self.class_weights = torch.ones(classifier.head.out_features, device=self.device)
        self.best_epoch, self.best_score = 0, -math.inf
        self._step = 0

    def fit(self, train: EncodedExamples, *valid: EncodedExamples) -> list[dict[str, Any]]:
        """Train until the epochs are over or patience is, and return one record an epoch.

        The weights are those of the best epoch afterwards. Validation examples may be given as
        either strand shows them.
        """
        settings = self.settings
        if settings.class_weights == "balanced":
            counts = np.bincount(train.labels, minlength=len(self.class_weights))
            weights = len(train.labels) / (len(counts) * np.maximum(counts, 1))
            self.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)
        steps = math.ceil(len(train.labels) / settings.batch_size) * settings.epochs
        history: list[dict[str, Any]] = []
        best_state: dict[str, Tensor] = {}
        for epoch in range(1, settings.epochs + 1):
            started = time.monotonic()
            loss = self._train_epoch(train, epoch, steps)
            score = float(roc_auc_score(valid[0].labels, self.score(*valid)))
            record = {"epoch": epoch, "step": self._step, "loss": loss, "valid_auroc": score}
            history.append(record | {"seconds": round(time.monotonic() - started, 3)})
            if score > self.best_score:
                self.best_epoch, self.best_score = epoch, score
                best_state = copy.deepcopy(self.classifier.state_dict())
            elif epoch - self.best_epoch >= settings.patience:
                break
        self.classifier.load_state_dict(best_state)
        return history

    def score(self, *views: EncodedExamples) -> NDArray[np.float64]:
        """Return the probability of label 1 of each example, the mean over views of it.

        Shape (examples,).

        Training with class weights is training on a population in which the classes are equally
        frequent. Dividing the odds by the ratio of the weights turns the probability back into
        that of the examples as they are (Elkan 2001, theorem 2); the order does not change.
        """
        return np.mean([self._score(view) for view in views], axis=0)  # type: ignore[no-any-return]

    @torch.inference_mode()
    def _score(self, examples: EncodedExamples) -> NDArray[np.float64]:
        self.classifier.eval()
        scores = np.empty(len(examples.labels))
        order = np.argsort(examples.lengths, kind="stable")
        for first in range(0, len(order), SCORING_BATCH):
            chosen = order[first : first + SCORING_BATCH]
            tokens, mask, focus, _ = examples.batch(chosen, self.device)
            with autocast(self.settings.precision, self.device):
                logits = self.classifier(tokens, mask, focus)
            logits = logits.double() - self.class_weights.double().log()
            scores[chosen] = torch.softmax(logits, dim=1)[:, 1].cpu().numpy()
        return scores

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
        return total / len(train.labels)

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
        weight = float(self.class_weights.cpu().numpy()[train.labels[batch]].sum())
        total = 0.0
        for part in np.array_split(batch, min(settings.accumulation, len(batch))):
            tokens, mask, focus, labels = train.batch(part, self.device)
            with autocast(self.settings.precision, self.device):
                logits = self.classifier(tokens, mask, focus)
            # The weighted mean over the whole batch, whatever the parts.
            losses = functional.cross_entropy(
                logits.float(), labels, weight=self.class_weights, reduction="sum"
            )
            (losses / weight).backward()  # type: ignore[no-untyped-call]
            total += float(losses.detach())
        torch.nn.utils.clip_grad_norm_(self.classifier.parameters(), settings.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        self._step += 1
        return total / weight
