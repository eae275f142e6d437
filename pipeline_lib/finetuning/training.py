"""The training loop of fine-tuning: epochs, early stopping, scores."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.finetuning.encoding import EncodedExamples, training_batches
from pipeline_lib.finetuning.heads import AnyClassifier
from pipeline_lib.finetuning.losses import Objective
from pipeline_lib.finetuning.resume import (
    Position,
    Saved,
    gathered,
    set_weights,
    spread_out,
    trained_weights,
)
from pipeline_lib.pretraining.checkpoints import Tensors
from pipeline_lib.pretraining.losses import autocast
from pipeline_lib.pretraining.optimizer import learning_rate, make_optimizers, set_learning_rate
from pipeline_lib.progress import progress
from pipeline_lib.stopping import Stopped

logger = logging.getLogger(__name__)
SCORING_BATCH, SCORING_TOKENS = 128, 262_144
"""Most examples, and most tokens with padding, that are scored at a time."""


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
    saved
        Where the state of the run is kept while it lasts; None to keep none.
    stopped
        Tells which signal to stop has come, 0 if none.

    Attributes
    ----------
    position
        How far the run has come, its record of epochs, and which of them was best.
    """

    def __init__(
        self,
        classifier: AnyClassifier,
        settings: FinetuningSettings,
        objective: Objective,
        *,
        seed: int,
        saved: Saved | None = None,
        stopped: Callable[[], int] = lambda: 0,
    ) -> None:
        self.device = preferred_device()
        self.classifier, self.settings, self.seed = classifier.to(self.device), settings, seed
        self.objective, self.saved, self._stopped = objective, saved, stopped
        self.optimizers = make_optimizers(classifier, settings)
        self.position = Position()
        self._best: Tensors = {}
        self._over = False

    @property
    def best_epoch(self) -> int:
        """Number of the best epoch, counted from 1."""
        return self.position.best_epoch

    @property
    def best_score(self) -> float:
        """Its score on the validation examples, by the measure of the objective."""
        return self.position.best_score

    def fit(self, train: EncodedExamples, *valid: EncodedExamples) -> list[dict[str, Any]]:
        """Train until the epochs are over or patience is, and return one record an epoch.

        The weights are those of the best epoch afterwards. Validation examples may be given as
        either strand shows them. A run that was interrupted goes on from its last state.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        Stopped
            After a signal to stop, once the state is saved.
        """
        self._resume()
        now = self.position
        while not now.ended:
            begun = time.monotonic() - now.seconds
            self._train_epoch(train, begun)
            score = self.objective.quality(valid[0].targets, self.score(*valid))
            record = {"epoch": now.epoch, "step": now.step, "loss": now.loss / len(train)}
            record[f"valid_{self.objective.measure}"] = score
            now.history.append(record | {"seconds": round(time.monotonic() - begun, 3)})
            if score > now.best_score:
                now.best_epoch, now.best_score = now.epoch, score
                self._best = {k: v.clone() for k, v in trained_weights(self.classifier).items()}
            waited = now.epoch - now.best_epoch
            now.ended = waited >= self.settings.patience or now.epoch == self.settings.epochs
            now.next_epoch()
            self._keep()
        set_weights(self.classifier, self._best)
        self._over = True  # from here on weights may be merged: nothing is to go on with
        return now.history

    def score(self, *views: EncodedExamples) -> NDArray[np.float64]:
        """Return the scores of each example, the mean over views of it; (examples, outputs).

        Raises
        ------
        Stopped
            After a signal to stop, once the state is saved.
        """
        return mean_scores(
            self.classifier,
            self.objective,
            *views,
            precision=self.settings.precision,
            between=self._keep,
        )

    def _train_epoch(self, train: EncodedExamples, begun: float) -> None:
        """Train on all examples once, or on those of the epoch that are left."""
        now, size = self.position, self.settings.batch_size
        steps = math.ceil(len(train) / size) * self.settings.epochs
        batches = training_batches(train.lengths, size, seed=self.seed, epoch=now.epoch)
        self.classifier.train()
        for batch in progress(batches[now.batch :], f"epoch {now.epoch}", unit="step"):
            loss = self._train_step(train, batch, steps)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} at step {now.step} of seed {self.seed}. "
                    "To fix: lower `learning_rate` of the task."
                )
            now.loss += loss * len(batch)
            now.batch += 1
            now.seconds = time.monotonic() - begun
            self._keep()

    def _keep(self) -> None:
        """Save the state if it is time to, and end the run if that was asked for."""
        signal = self._stopped()
        if self.saved is not None and not self._over and (signal or self.saved.due):
            tensors = gathered(self.classifier, self.optimizers, self._best)
            self.saved.save(self.position, tensors, wait=bool(signal))
        if signal:
            logger.info("stopped by signal %d at step %d", signal, self.position.step)
            raise Stopped(signal)

    def _resume(self) -> None:
        """Go on from the state on disk, if there is one."""
        found = self.saved.newest() if self.saved is not None else None
        if found is None:
            return
        self.position, tensors = found
        best = spread_out(tensors, self.classifier, self.optimizers)
        self._best = {name: value.to(self.device) for name, value in best.items()}
        logger.info("continuing from step %d", self.position.step)

    def _train_step(self, train: EncodedExamples, batch: NDArray[np.int64], steps: int) -> float:
        settings = self.settings
        rate = learning_rate(
            self.position.step,
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
        self.position.step += 1
        return total / weight


def preferred_device() -> torch.device:
    """Return the GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mean_scores(
    classifier: AnyClassifier,
    objective: Objective,
    *views: EncodedExamples,
    precision: str,
    between: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:
    """Return the scores of each example, the mean over views of it; (examples, outputs).

    ``between`` is called before every batch.
    """
    found = [_scores(classifier, objective, view, precision, between) for view in views]
    return np.mean(found, axis=0)  # type: ignore[no-any-return]


@torch.inference_mode()
def _scores(
    classifier: AnyClassifier,
    objective: Objective,
    examples: EncodedExamples,
    precision: str,
    between: Callable[[], None],
) -> NDArray[np.float64]:
    classifier.eval()
    device = next(classifier.parameters()).device
    scores = np.empty((len(examples), classifier.outputs), dtype=objective.dtype)
    for chosen in scoring_batches(examples.lengths):
        between()
        with autocast(precision, device):
            outputs = classifier(*examples.batch(chosen, device))
        scores[chosen] = objective.scores(outputs)
    return scores


def scoring_batches(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return batches of all examples, in the order of their lengths."""
    order = np.argsort(lengths, kind="stable")
    batches: list[NDArray[np.int64]] = []
    first = 0
    while first < len(order):
        part = order[first : first + SCORING_BATCH]
        fits = lengths[part] * np.arange(1, len(part) + 1) <= SCORING_TOKENS
        batches.append(part[: max(1, int(fits.sum()))])
        first += len(batches[-1])
    return batches
