"""The training loop."""

import json
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.checkpoints import Checkpoints
from pipeline_lib.pretraining.data import Batch, Samples, prefetched
from pipeline_lib.pretraining.masking import Masked, mask_tokens
from pipeline_lib.pretraining.optimizer import learning_rate, make_optimizer, set_learning_rate
from pipeline_lib.progress import progress_bar
from pipeline_lib.tokenizer.vocabulary import Vocabulary

logger = logging.getLogger(__name__)
VALIDATION_SEED = 1_000_003
VALIDATION_BATCH = 64


@dataclass
class Training:
    """Everything that a checkpoint holds, and what is needed to go on.

    Attributes
    ----------
    step
        Optimizer steps done.
    best
        Lowest validation loss so far, and the weights that gave it.
    """

    model: MaskedLanguageModel
    settings: PretrainingSettings
    samples: Samples
    validation: Samples
    vocabulary: Vocabulary
    checkpoints: Checkpoints
    seed: int
    device: torch.device
    step: int = 0
    best: float = math.inf
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.optimizer = make_optimizer(self.model, self.settings)

    @property
    def metrics(self) -> Path:
        """Where metrics are written while training goes on: beside the checkpoints."""
        return self.checkpoints.directory / "metrics.jsonl"

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
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
        self.model.load_state_dict(state["model"])
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
    batches = prefetched(
        training.samples,
        training.step * settings.batch_size,
        settings.batch_size,
        settings.steps - training.step,
    )
    with (
        _stop_signals() as stopped,
        progress_bar("pretraining", total=None, unit="token") as bar,
        training.metrics.open("a") as metrics,
    ):
        clock, tokens, losses = time.monotonic(), 0, list[float]()
        for batch in batches:
            rate = learning_rate(
                training.step,
                peak=settings.learning_rate,
                warmup=settings.warmup_steps,
                total=settings.steps,
                schedule=settings.schedule,
            )
            loss, norm = _step(training, batch, rate)
            training.step += 1
            losses.append(loss)
            tokens += int(batch.lengths.sum())
            bar.update(int(batch.lengths.sum()))
            last = training.step == settings.steps
            if last or training.step % settings.log_every == 0:
                seconds = time.monotonic() - clock
                left = seconds / len(losses) * (settings.steps - training.step)
                bar.set_postfix_str(
                    f"step {training.step}, loss {np.mean(losses):.3f}, {left:.0f} s left"
                )
                _write(
                    metrics, step=training.step, loss=float(np.mean(losses)), learning_rate=rate,
                    gradient_norm=norm, tokens_per_second=tokens / seconds, seconds=seconds,
                )  # fmt: skip
                clock, tokens, losses = time.monotonic(), 0, []
            if last or training.step % settings.validate_every == 0:
                paused = time.monotonic()
                found = validate(training)
                _write(metrics, step=training.step, **found)
                logger.info(
                    "step %d: %.4f bits per base", training.step, found["valid_bits_per_base"]
                )
                clock += time.monotonic() - paused
            if last or stopped() or training.step % settings.checkpoint_every == 0:
                training.checkpoints.save(training.step, training.state())
            if stopped() and not last:
                logger.info("stopped by signal %d at step %d", stopped(), training.step)
                raise SystemExit(128 + stopped())


def validate(training: Training) -> dict[str, float]:
    """Measure the loss on fixed held-out samples with fixed masks, and keep the best weights.

    All targets are hidden here, so that the loss is not lowered by those left alone.

    Returns
    -------
    dict
        ``valid_loss`` in nats per masked token, ``valid_bits_per_base`` over the bases of the
        masked tokens.
    """
    training.model.eval()
    nats, count, bases = 0.0, 0, 0
    batches = training.validation.spread(training.settings.validation_sequences, VALIDATION_BATCH)
    with torch.no_grad():
        for batch in batches:
            masked = _mask(training, batch, VALIDATION_SEED, hide_all=True)
            answers = torch.from_numpy(masked.answers).to(training.device)
            logits = _logits(training, batch, masked)
            nats += float(functional.cross_entropy(logits.float(), answers, reduction="sum"))
            count += len(masked.answers)
            bases += int(training.vocabulary.lengths[masked.answers].sum())
    training.model.train()
    loss = nats / count
    if loss < training.best:
        training.best = loss
        state = training.model.state_dict()
        training.best_weights = {name: value.detach().clone() for name, value in state.items()}
    return {"valid_loss": loss, "valid_bits_per_base": nats / math.log(2) / bases}


def _step(training: Training, batch: Batch, rate: float) -> tuple[float, float]:
    """Make one optimizer step; return the loss per target and the gradient's norm."""
    masked = _mask(training, batch, training.seed)
    weights = masked.weights
    total = max(1, len(masked.answers)) if weights is None else max(1e-6, float(weights.sum()))
    loss = 0.0
    rows = np.array_split(np.arange(len(batch.tokens)), training.settings.accumulation)
    done = 0
    for part in (part for part in rows if len(part)):
        count = int(masked.targets[part].sum())
        if not count:
            continue
        piece = batch.rows(part)
        answers = masked.answers[done : done + count]
        own = None if weights is None else weights[done : done + count]
        view = Masked(masked.inputs[part], masked.targets[part], answers)
        done += count
        logits = _logits(training, piece, view)
        wanted = torch.from_numpy(answers).to(training.device)
        # Each part weighs by its targets, so that the sum is the mean over the whole batch.
        if own is None:
            part_loss = functional.cross_entropy(logits.float(), wanted, reduction="sum") / total
        else:
            each = functional.cross_entropy(logits.float(), wanted, reduction="none")
            part_loss = (each * torch.from_numpy(own).to(training.device)).sum() / total
        part_loss.backward()  # type: ignore[no-untyped-call]
        loss += float(part_loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), training.settings.clip_norm)
    if not (math.isfinite(loss) and math.isfinite(float(norm))):
        raise _not_finite(training, batch, loss)
    set_learning_rate(training.optimizer, rate)
    training.optimizer.step()
    training.optimizer.zero_grad(set_to_none=True)
    return loss, float(norm)


def _mask(training: Training, batch: Batch, seed: int, *, hide_all: bool = False) -> Masked:
    return mask_tokens(
        batch,
        share=training.settings.mask_share,
        vocabulary=training.vocabulary,
        seed=seed,
        hide_all=hide_all,
        repeat_weight=training.settings.repeat_weight,
    )


def _logits(training: Training, batch: Batch, masked: Masked) -> torch.Tensor:
    inputs = torch.from_numpy(masked.inputs).to(training.device)
    targets = torch.from_numpy(masked.targets).to(training.device)
    ragged = bool((batch.lengths < inputs.shape[1]).any())
    shown = batch.tokens != training.vocabulary.pad
    mask = torch.from_numpy(shown).to(training.device) if ragged else None
    with autocast(training.settings.precision, training.device):
        logits: torch.Tensor = training.model(inputs, mask, targets)
    return logits


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a model computes: bf16 where asked for and to be had.

    ``auto`` is bf16 on a GPU that has it and fp32 elsewhere: on a CPU without matrix units for
    bf16 it is slower than fp32.
    """
    if precision == "auto":
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def _not_finite(training: Training, batch: Batch, loss: float) -> TrainingError:
    shown = [training.samples.coordinates(int(sample)) for sample in batch.samples[:3]]
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
