"""The training loop."""

import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import InputError, TrainingError
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.pretraining.checkpoints import Checkpoints
from pipeline_lib.pretraining.data import Batch, Samples
from pipeline_lib.pretraining.losses import autocast, encode, losses
from pipeline_lib.pretraining.objective import Objective
from pipeline_lib.pretraining.optimizer import learning_rate, make_optimizer, set_learning_rate
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead
from pipeline_lib.pretraining.stream import Stream
from pipeline_lib.progress import progress_bar

logger = logging.getLogger(__name__)
VALIDATION_BATCH = 64


@dataclass
class Training:
    """Everything that a checkpoint holds, and what is needed to go on.

    Attributes
    ----------
    order
        The classifier of the order of halves, if it is part of the objective.
    step
        Optimizer steps done.
    seconds
        Time that they took, validation included.
    skipped
        Samples so far in which there was nothing to predict: all N, or too short.
    best
        Lowest validation loss so far, and the weights that gave it.
    """

    model: LanguageModel
    settings: PretrainingSettings
    objective: Objective
    stream: Stream
    validation: Samples
    checkpoints: Checkpoints
    device: torch.device
    order: SentenceOrderHead | None = None
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    best: float = math.inf
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = make_optimizer(self.trained, self.settings)

    @property
    def trained(self) -> torch.nn.ModuleDict:
        """All that is trained: the model, and what is needed for pretraining alone."""
        parts: dict[str, torch.nn.Module] = {"model": self.model}
        return torch.nn.ModuleDict(parts | ({"order": self.order} if self.order else {}))

    @property
    def done(self) -> float:
        """Share of the run that is done, by the clock if it is limited by time."""
        if self.settings.minutes is None:
            return self.step / self.settings.steps
        return min(1.0, self.seconds / (60 * self.settings.minutes))

    @property
    def steps(self) -> int:
        """Steps of the whole run; if it is limited by time, as many as are to be expected."""
        if self.settings.minutes is None:
            return self.settings.steps
        return max(self.step + 1, round(self.step / max(self.done, 1e-9)))

    @property
    def metrics(self) -> Path:
        """Where metrics are written while training goes on: beside the checkpoints."""
        return self.checkpoints.directory / "metrics.jsonl"

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.trained.state_dict(),
            "seconds": self.seconds,
            "skipped": self.skipped,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "best": self.best,
            "best_weights": self.best_weights,
        }

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        state = self.checkpoints.load()
        if state is None:
            self.metrics.unlink(missing_ok=True)
            return
        self.step, self.best = state["step"], state["best"]
        self.best_weights = state["best_weights"]
        self.seconds, self.skipped = state["seconds"], state["skipped"]
        self.trained.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        _keep_lines_up_to(self.metrics, self.step)
        logger.info("continuing from the checkpoint of step %d", self.step)


def train(training: Training) -> None:
    """Train to the last step; validate, write metrics and checkpoints on the way.

    Raises
    ------
    TrainingError
        If the loss is not finite; the batch is named, and the last checkpoint is kept.
    SystemExit
        After SIGTERM or SIGINT, once a checkpoint is written.
    """
    settings = training.settings
    with (
        _stop_signals() as stopped,
        progress_bar("pretraining", total=None, unit="token") as bar,
        training.metrics.open("a") as metrics,
    ):
        clock, tokens, found = time.monotonic(), 0, list[float]()
        before, begun = training.seconds, time.monotonic()
        for batch in training.stream.batches(training.step):
            if training.done >= 1:  # a finished run is continued for no more than its results
                break
            rate = learning_rate(
                training.step,
                peak=settings.learning_rate,
                warmup=settings.warmup_steps,
                total=training.steps,
                schedule=settings.schedule,
            )
            loss, norm = _step(training, batch, rate)
            training.step += 1
            training.seconds = before + time.monotonic() - begun
            found.append(loss)
            tokens += int(batch.lengths.sum())
            bar.update(int(batch.lengths.sum()))
            last = training.done >= 1
            if last or training.step % settings.log_every == 0:
                seconds = time.monotonic() - clock
                left = training.seconds / training.done * (1 - training.done)
                bar.set_postfix_str(
                    f"step {training.step}, loss {np.mean(found):.3f}, {left:.0f} s left"
                )
                _write(
                    metrics, step=training.step, loss=float(np.mean(found)), learning_rate=rate,
                    gradient_norm=norm, tokens_per_second=tokens / seconds, seconds=seconds,
                    skipped=training.skipped, elapsed=training.seconds,
                )  # fmt: skip
                clock, tokens, found = time.monotonic(), 0, []
            if last or training.step % settings.validate_every == 0:
                paused = time.monotonic()
                values = validate(training)
                training.seconds = before + time.monotonic() - begun
                _write(metrics, step=training.step, elapsed=training.seconds, **values)
                logger.info(
                    "step %d: %.4f bits per base", training.step, values["valid_bits_per_base"]
                )
                clock += time.monotonic() - paused
            if last or stopped() or training.step % settings.checkpoint_every == 0:
                training.checkpoints.save(training.step, training.state())
            if stopped() and not last:
                logger.info("stopped by signal %d at step %d", stopped(), training.step)
                raise SystemExit(128 + stopped())
            if last:
                break


def validate(training: Training) -> dict[str, float]:
    """Measure the loss on fixed held-out samples with fixed masks, and keep the best weights.

    Returns
    -------
    dict
        ``valid_loss`` in nats per predicted token, ``valid_bits_per_base`` over the bases of
        these tokens.
    """
    training.model.eval()
    nats, count, bases = 0.0, 0, 0
    vocabulary = training.objective.vocabulary
    batches = training.validation.spread(training.settings.validation_sequences, VALIDATION_BATCH)
    with torch.no_grad():
        for batch in batches:
            asked = training.objective.validation(batch)
            if not len(asked.answers):
                continue
            answers = torch.from_numpy(asked.answers).to(training.device)
            targets = torch.from_numpy(asked.targets).to(training.device)
            with autocast(training.settings.precision, training.device):
                at = encode(training.model, asked, training.device)
                logits = training.model.scores(at(targets)).float()
            nats += float(functional.cross_entropy(logits, answers, reduction="sum"))
            count += len(asked.answers)
            bases += int(vocabulary.lengths[asked.answers].sum())
    if not count:
        raise InputError(
            "there is nothing to predict in the validation split",
            where="corpus.corpora.*.holdouts.valid",
            expected="sequence of A, C, G and T",
            remedy="hold out other contigs or regions for validation",
        )
    training.model.train()
    loss = nats / count
    if loss < training.best:
        training.best = loss
        state = training.model.state_dict()
        training.best_weights = {name: value.detach().clone() for name, value in state.items()}
    return {"valid_loss": loss, "valid_bits_per_base": nats / math.log(2) / bases}


def _step(training: Training, batch: Batch, rate: float) -> tuple[float, float]:
    """Make one optimizer step; return the loss per target and the gradient's norm."""
    settings = training.settings
    asked = training.objective.examples(batch)
    training.skipped += int((~asked.targets.any(axis=1)).sum())
    total, loss = max(asked.total_weight, 1e-6), 0.0
    rows = np.array_split(np.arange(len(asked.inputs)), settings.accumulation)
    for part in (part for part in rows if len(part)):
        piece = asked.rows(part)
        with autocast(settings.precision, training.device):
            # Each part weighs by its targets, so that the sum is the mean over the whole batch.
            parts = losses(
                training.model, piece, total=total, share=len(part) / len(asked.inputs),
                device=training.device, order=training.order,
                number_weight=settings.number_tasks.number_weight if settings.number_tasks else 0,
            )  # fmt: skip
            for part_loss in parts:
                part_loss.backward()  # type: ignore[no-untyped-call]
                loss += float(part_loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(training.trained.parameters(), settings.clip_norm)
    if not (math.isfinite(loss) and math.isfinite(float(norm))):
        raise _not_finite(training, batch, loss)
    set_learning_rate(training.optimizer, rate)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    return loss, float(norm)


def _not_finite(training: Training, batch: Batch, loss: float) -> TrainingError:
    shown = [training.stream.coordinates(training.step, int(s)) for s in batch.samples[:3]]
    places = "; ".join(f"{s['assembly']} {s['contig']}:{s['start']}-{s['end']}" for s in shown)
    return TrainingError(
        f"the loss became {loss} at step {training.step + 1}, in a batch with {places}, among "
        "others. The last checkpoint is kept. To fix: lower `learning_rate` or `clip_norm`, or "
        "lengthen `warmup_steps`"
    )


@contextmanager
def _stop_signals() -> Iterator[Callable[[], int]]:
    """Yield a function that tells which signal to stop has come, 0 if none."""
    received = [0]

    def note(number: int, frame: FrameType | None) -> None:
        received[0] = number

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread: signals are somebody else's business
        before = {}
    try:
        yield lambda: received[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(handle: Any, **values: float) -> None:
    handle.write(json.dumps(values) + "\n")
    handle.flush()


def _keep_lines_up_to(path: Path, step: int) -> None:
    """Drop the lines of steps after a checkpoint: they will be made again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:  # cut off by the kill
            break
        if values["step"] <= step:
            kept.append(line + "\n")
    path.write_text("".join(kept))
