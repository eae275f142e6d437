"""The state of a tuning run: kept on disk, so that an interrupted run goes on where it was."""

import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline_lib.pretraining.checkpoints import Checkpoints, Tensors

SAVE_SECONDS = 60.0
"""So much work is lost at most, unless a single step takes longer."""
KEEP = 2


@dataclass
class Position:
    """How far a run has come: all numbers of its state.

    Attributes
    ----------
    epoch, batch
        The epoch it is in, counted from 1, and batches of it that are done.
    step
        Optimizer steps done.
    loss
        Sum over the examples of this epoch.
    seconds
        Time spent in this epoch.
    best_epoch, best_score
        The epoch with the best validation score.
    ended
        The last epoch is over, or patience is.
    history
        One record for each epoch that is over.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    best_epoch: int = 0
    best_score: float = float("-inf")
    ended: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_epoch(self) -> None:
        """Begin another epoch."""
        self.epoch, self.batch, self.loss, self.seconds = self.epoch + 1, 0, 0.0, 0.0


class Saved:
    """What is kept on disk of a run that has not ended.

    Parameters
    ----------
    directory
        Folder of its checkpoints; no output of the rule, which Snakemake would remove.
    run
        Fingerprint of the run: what another has left is moved aside.
    interval
        Seconds between checkpoints.
    """

    def __init__(self, directory: Path, run: str, interval: float = SAVE_SECONDS) -> None:
        self._checkpoints = Checkpoints(directory, run, KEEP)
        self._interval, self._last = interval, time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for another checkpoint."""
        return time.monotonic() - self._last >= self._interval

    def save(self, position: Position, tensors: Tensors, *, wait: bool = False) -> None:
        """Write the state of now, while the run goes on unless it is to wait.

        Raises
        ------
        TrainingError
            If the one before could not be written.
        """
        shapes = {name: [list(t.shape), str(t.dtype)] for name, t in tensors.items()}
        numbers = {"position": asdict(position), "tensors": shapes}
        self._checkpoints.save(position.step, numbers, tensors)
        self._last = time.monotonic()
        if wait:
            self._checkpoints.wait()

    def newest(self) -> tuple[Position, Tensors] | None:
        """Return the newest undamaged state, None if there is none."""
        step = self._checkpoints.newest()
        if step is None:
            return None
        numbers = self._checkpoints.numbers(step)
        tensors = {
            name: torch.empty(shape, dtype=getattr(torch, kind.removeprefix("torch.")))
            for name, (shape, kind) in numbers["tensors"].items()
        }
        self._checkpoints.load(step, tensors)
        return Position(**numbers["position"]), tensors

    def remove(self) -> None:
        """Remove all states of a run that is over; its logs stay."""
        self._checkpoints.wait()
        for folder in self._checkpoints.directory.glob("step-*"):
            shutil.rmtree(folder, ignore_errors=True)


def trained_weights(model: nn.Module) -> Tensors:
    """Return the weights that ask for gradients, by name: the very tensors."""
    return {name: p.data for name, p in model.named_parameters() if p.requires_grad}


def set_weights(model: nn.Module, values: Tensors) -> None:
    """Give weights the values that :func:`trained_weights` told."""
    weights = trained_weights(model)
    for name, value in values.items():
        weights[name].copy_(value)


def gathered(model: nn.Module, optimizers: list[torch.optim.Optimizer], best: Tensors) -> Tensors:
    """Return all tensors of a run's state by unique names."""
    parts: dict[str, Tensors] = {"model": trained_weights(model), "best": best}
    for number, optimizer in enumerate(optimizers):
        for weight, values in optimizer.state_dict()["state"].items():
            parts[f"optimizer.{number}.{weight}"] = values
    parts["random"] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        parts["random"]["cuda"] = torch.cuda.get_rng_state()
    return {f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()}


def spread_out(
    tensors: Tensors, model: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> Tensors:
    """Put the tensors of a state where they belong, and return the best weights."""
    parts: dict[str, Tensors] = {}
    for name, value in tensors.items():
        part, _, own = name.partition("/")
        parts.setdefault(part, {})[own] = value
    set_weights(model, parts["model"])
    for number, optimizer in enumerate(optimizers):
        state = {
            int(part.rpartition(".")[2]): values
            for part, values in parts.items()
            if part.startswith(f"optimizer.{number}.")
        }
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(parts["random"]["cpu"])
    if torch.cuda.is_available() and "cuda" in parts["random"]:
        torch.cuda.set_rng_state(parts["random"]["cuda"])
    return parts.get("best", {})
