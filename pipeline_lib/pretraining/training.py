"""A training run: its parts, and its state, which checkpoints hold."""

import json
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
)

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.pretraining.average import RunningMean
from pipeline_lib.pretraining.checkpoints import Checkpoints, Tensors
from pipeline_lib.pretraining.data import Samples
from pipeline_lib.pretraining.objective import Objective
from pipeline_lib.pretraining.optimizer import make_optimizers
from pipeline_lib.pretraining.parallel import Spread
from pipeline_lib.pretraining.ranks import Ranks
from pipeline_lib.pretraining.stream import Stream

logger = logging.getLogger(__name__)


@dataclass
class Training:
    """Everything that a checkpoint holds, and what is needed to go on.

    Attributes
    ----------
    spread
        What is trained, on all processes.
    accumulation
        In how many parts a batch is computed; raised when memory runs out.
    step
        Optimizer steps done, those left out included.
    seconds
        Time that they took, validation included.
    skipped
        Samples so far in which there was nothing to predict: all N, or too short.
    bad, bad_in_row
        Steps that were left out since loss or gradient were not finite: so far, and last.
    best
        Lowest validation loss so far, and the weights that gave it.
    """

    spread: Spread
    settings: PretrainingSettings
    objective: Objective
    stream: Stream
    validation: Samples
    checkpoints: Checkpoints
    seed: int
    accumulation: int = 1
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    bad: int = 0
    bad_in_row: int = 0
    best: float = math.inf
    best_weights: Tensors = field(default_factory=dict)
    optimizers: list[torch.optim.Optimizer] = field(init=False)
    average: RunningMean | None = field(init=False)

    def __post_init__(self) -> None:
        self.optimizers = make_optimizers(self.spread.trained, self.settings)
        decay = self.settings.average_decay
        self.average = None if decay is None else RunningMean(self.spread.trained, decay)

    @property
    def ranks(self) -> Ranks:
        """The processes of the run."""
        return self.spread.ranks

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

    def weights(self) -> Tensors:
        """Return the weights that are trained, or this process's shares of them."""
        return get_model_state_dict(self.spread.trained)  # type: ignore[return-value]

    def keep_as_best(self, loss: float) -> None:
        """Keep the weights as they are now if no other has had a lower validation loss."""
        if loss < self.best:
            self.best = loss
            self.best_weights = _copies(self.weights())

    def save(self) -> None:
        """Hand a checkpoint of now to the writer."""
        self.checkpoints.save(self.step, self._numbers(), self._tensors())

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        step = self.checkpoints.newest()
        if step is None:
            if self.ranks.first:
                self.metrics.unlink(missing_ok=True)
            return
        numbers = self.checkpoints.numbers(step)
        updates = numbers.pop("updates")
        if self.average is not None:
            self.average.updates = updates
        numbers["accumulation"] = max(self.accumulation, numbers["accumulation"])
        for name, value in numbers.items():
            setattr(self, name, value)
        if math.isfinite(self.best):  # room for the best weights
            self.best_weights = _copies(self.weights())
        self.checkpoints.load(step, self._tensors())
        if self.ranks.first:
            _keep_lines_up_to(self.metrics, self.step)
        logger.info("continuing from the checkpoint of step %d", self.step)

    def _numbers(self) -> dict[str, Any]:
        names = ("accumulation", "step", "seconds", "skipped", "bad", "bad_in_row", "best")
        updates = self.average.updates if self.average else 0
        return {name: getattr(self, name) for name in names} | {"updates": updates}

    def _tensors(self) -> Tensors:
        """Return all tensors of the state by unique names: not copies, but the very ones."""
        options = StateDictOptions(flatten_optimizer_state_dict=True)
        state = get_optimizer_state_dict(self.spread.trained, self.optimizers, options=options)
        parts: dict[str, dict[str, Any]] = {
            "model": self.weights(),
            "best": self.best_weights,
            # The settings of the optimizers are those of the run; only what they gather is kept.
            "optimizer": state,
            "average": self.average.state_dict()["weights"] if self.average else {},
        }
        return {
            f"{part}.{name}": value
            for part, values in parts.items()
            for name, value in values.items()
            if isinstance(value, Tensor)
        }


def _copies(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


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
