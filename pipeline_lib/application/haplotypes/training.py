"""Training of a model of haplotypes: validated on other individuals, resumed after any kill."""

import copy
import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline_lib.application.haplotypes.model import HaplotypeModel, save_haplotype_model
from pipeline_lib.application.haplotypes.panel import Panel, split_individuals
from pipeline_lib.code import code_fingerprint
from pipeline_lib.config.application_haplotypes import HaplotypeTraining
from pipeline_lib.pretraining.checkpoints import Checkpoints
from pipeline_lib.progress import progress_bar
from pipeline_lib.randomness import named_generator
from pipeline_lib.stopping import Stopped, stop_signals

log = logging.getLogger(__name__)
Ids = NDArray[np.int64]
_LEAST = 0.02  # share of the highest learning rate that is left at the end
_AT_ONCE = 256  # haplotypes scored together
_AVERAGE = 0.995  # of the weights so far that stays in their average with each step


@dataclass
class Progress:
    """How far training has come.

    Attributes
    ----------
    step
        Steps done.
    best
        Lowest loss of the individuals validated on, in bits per allele.
    since
        Passes since then.
    history
        Losses of every pass: training, validation.
    total
        Sum of the losses of the pass at hand.
    """

    step: int = 0
    best: float = math.inf
    since: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    total: float = 0.0


def train_haplotypes(
    panel: Panel, folder: Path, settings: HaplotypeTraining, *, seed: int, device: str = "cpu"
) -> dict[str, Any]:
    """Train a model of haplotypes and write its folder.

    A run that was stopped or killed goes on from its last checkpoint, kept in a hidden folder
    beside the model, and ends with the same weights.

    Parameters
    ----------
    panel
        Real haplotypes. The individuals to test on are not looked at.
    folder
        Model folder to write.

    Returns
    -------
    dict
        What ``config.json`` says of the training: losses, split, seed.
    """
    splits = split_individuals(panel.names, valid=settings.valid, test=settings.test, seed=seed)
    torch.manual_seed(seed)
    model = HaplotypeModel(panel.alleles.shape[1], settings)
    tokens = {name: model.tokens(panel.alleles[splits[name]]) for name in ("train", "valid")}
    model.start_from(tokens["train"])
    run = _Run(model.to(device), tokens, settings, seed)
    kept = folder.with_name(f".{folder.name}.checkpoints")
    checkpoints = Checkpoints(kept, _fingerprint(panel, settings, seed), keep=2)
    run.resume(checkpoints)
    first = run.score(tokens["valid"]) if not run.done.history else None
    if first is not None:
        log.info("%.4f bits per allele before the first step, by frequencies alone", first)
    with stop_signals() as stopped:
        for _ in run.steps():
            if run.done.step % settings.checkpoint_every == 0 or stopped():
                run.save(checkpoints)
            if number := stopped():
                checkpoints.wait()
                raise Stopped(number)
    checkpoints.wait()
    about = run.finish(panel, splits)
    save_haplotype_model(folder, run.model.cpu(), settings, about, panel.sites)
    shutil.rmtree(kept)
    return about


class _Run:
    """A model, its optimizer and where they are."""

    def __init__(
        self, model: HaplotypeModel, tokens: dict[str, Ids], settings: HaplotypeTraining, seed: int
    ) -> None:
        self.model, self.tokens, self.settings, self.seed = model, tokens, settings, seed
        self.done = Progress()
        matrices = [p for p in model.parameters() if p.ndim > 1 and p is not model.bias]
        others = [p for p in model.parameters() if p.ndim <= 1 or p is model.bias]
        groups = [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
        # What is validated and kept is the running average of the weights (Polyak and Juditsky
        # 1992): it predicts better than the weights of any one step.
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.best = {name: p.clone() for name, p in self.average.named_parameters()}
        self.per_pass = -(-len(tokens["train"]) // settings.batch_size)

    def steps(self) -> Iterator[None]:
        """Train, and yield after every step."""
        whole = self.settings.epochs * self.per_pass
        with progress_bar("training", total=whole, unit=" steps") as bar:
            bar.update(self.done.step)
            while self.done.step < whole and self.done.since < self.settings.patience:
                self._step()
                bar.update(1)
                if self.done.step % self.per_pass == 0:
                    self._validate()
                yield

    def _step(self) -> None:
        number, place = divmod(self.done.step, self.per_pass)
        order = named_generator(self.seed, "haplotypes", "order", number)
        rows = order.permutation(len(self.tokens["train"]))
        size = self.settings.batch_size
        batch = self._batch(self.tokens["train"][rows[place * size : (place + 1) * size]])
        # What dropout leaves out depends on the step alone: a resumed run does the same.
        torch.manual_seed(self.seed * 1_000_003 + self.done.step)
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self._course()
        loss = _nats(self.model, batch).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.done.step += 1
        keep = min(_AVERAGE, (1 + self.done.step) / (10 + self.done.step))
        with torch.no_grad():
            for mean, weight in zip(
                self.average.parameters(), self.model.parameters(), strict=True
            ):
                mean.lerp_(weight, 1 - keep)
        self.done.total += float(loss.detach()) * len(batch)

    def _course(self) -> float:
        """Return the share of the learning rate: it rises, then falls along a cosine."""
        warm, whole = self.settings.warmup_steps, self.settings.epochs * self.per_pass
        if self.done.step < warm:
            return (self.done.step + 1) / warm
        share = (self.done.step - warm) / max(whole - warm, 1)
        return _LEAST + (1 - _LEAST) * (1 + math.cos(math.pi * share)) / 2

    def _validate(self) -> None:
        alleles = len(self.tokens["train"]) * self.model.sites
        train = self.done.total / alleles * self.model.length / math.log(2)
        valid = self.score(self.tokens["valid"])
        self.done.total = 0.0
        self.done.history.append({"train": train, "valid": valid})
        if valid < self.done.best:
            self.done.best, self.done.since = valid, 0
            self.best = {name: p.clone() for name, p in self.average.named_parameters()}
        else:
            self.done.since += 1
        log.info("pass %d: %.4f bits per allele in training, %.4f in validation",
                 len(self.done.history), train, valid)  # fmt: skip

    def score(self, tokens: Ids) -> float:
        """Return the mean log-loss in bits per allele."""
        self.average.eval()
        with torch.inference_mode():
            parts = [
                _nats(self.average, self._batch(tokens[at : at + _AT_ONCE])).double().sum(dim=1)
                for at in range(0, len(tokens), _AT_ONCE)
            ]
        return float(torch.cat(parts).mean()) / self.model.sites / math.log(2)

    def save(self, checkpoints: Checkpoints) -> None:
        """Keep the state of this step."""
        numbers = {key: getattr(self.done, key) for key in ("step", "since", "history", "total")}
        best = None if math.isinf(self.done.best) else self.done.best
        checkpoints.save(self.done.step, {**numbers, "best": best}, self._tensors())

    def resume(self, checkpoints: Checkpoints) -> None:
        """Go on from the newest checkpoint, if there is one."""
        step = checkpoints.newest()
        if step is None:
            return
        numbers = checkpoints.numbers(step)
        best = math.inf if numbers["best"] is None else numbers["best"]
        self.done = Progress(**{**numbers, "best": best})
        for parameter in self.model.parameters():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        tensors = self._tensors()
        checkpoints.load(step, tensors)
        log.info("going on after step %d", step)

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {f"best.{name}": value for name, value in self.best.items()}
        for name, mean in self.average.named_parameters():
            found[f"average.{name}"] = mean
        for name, parameter in self.model.named_parameters():
            state = self.optimizer.state[parameter]
            found[f"model.{name}"] = parameter.detach()
            found[f"first.{name}"] = state["exp_avg"]
            found[f"second.{name}"] = state["exp_avg_sq"]
        return found

    def finish(self, panel: Panel, splits: dict[str, Ids]) -> dict[str, Any]:
        """Put the best weights into the model; return what is to be known of the training."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.best[name])
        return {
            "seed": self.seed,
            "best_valid_bits_per_allele": self.done.best,
            "history": self.done.history,
            "splits": {name: len(rows) for name, rows in splits.items()},
            "haplotypes": _digest(panel),
        }

    def _batch(self, tokens: Ids) -> Tensor:
        return torch.from_numpy(tokens).to(self.model.bias.device)


def _nats(model: HaplotypeModel, tokens: Tensor) -> Tensor:
    """Return the log-loss of every token; (batch, length)."""
    scores: Tensor = model(tokens)
    return -scores.gather(2, tokens[..., None])[..., 0]


def _digest(panel: Panel) -> str:
    digest = hashlib.sha256(panel.alleles.tobytes())
    digest.update(" ".join(panel.names).encode())
    return digest.hexdigest()


def _fingerprint(panel: Panel, settings: HaplotypeTraining, seed: int) -> str:
    values = settings.model_dump(mode="json", exclude={"checkpoint_every"})
    code = code_fingerprint("application/haplotypes", "models")
    text = json.dumps([values, seed, _digest(panel), code], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
