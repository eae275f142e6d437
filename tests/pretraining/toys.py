"""Small training runs of every family, for tests in one process or several."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.pretraining.recipe import Recipe
from pipeline_lib.pretraining.run import pretrain
from tests.pretraining.test_losses import SHAPES

Data = tuple[Path, Path, Path]
EXTRAS: dict[str, dict[str, Any]] = {
    "bert": {"sentence_order": True, "mask_span": 3, "short_share": 0.2},
    "memory": {"length_warmup": {"start": 12, "steps": 6}},
    "hyena": {"length_warmup": {"start": 8, "steps": 6}, "repeat_weight": 0.5},
    "modernbert": {"accumulation": 3},
}
"""Objectives that families are trained with here, so that all of them are."""


def train(data: Data, directory: Path, name: str, **changes: Any) -> None:
    """Train a model of a family for 20 steps."""
    values = {
        "corpus": "toy", "tokenizer": "toy", "preset": "x", "steps": 20, "batch_size": 6,
        "warmup_steps": 3, "learning_rate": 1e-3, "log_every": 4, "validate_every": 7,
        "validation_sequences": 16, "checkpoint_every": 11, **EXTRAS.get(name, {}), **changes,
    }  # fmt: skip
    pretrain(recipe(data, Model(**values), SHAPES[name]), directory, threads=1)


def recipe(data: Data, settings: Model, shape: AnyArchitecture, seed: int = 1) -> Recipe:
    """Return what a small model is made of."""
    train, valid, tokenizer = data
    return Recipe("toy", settings, shape, (train,), valid, tokenizer, seed)


def train_all(
    data: Data, directory: Path, runs: list[tuple[str, dict[str, Any]]], ports: Sequence[str] = ()
) -> None:
    """Train several models one after another, meeting at a new port each time."""
    for number, (name, changes) in enumerate(runs):
        if ports:
            os.environ["MASTER_PORT"] = ports[number]
        train(data, directory / str(number), name, **changes)


def lines(directory: Path) -> list[dict[str, float]]:
    """Return the lines of metrics of a finished run."""
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a finished run."""
    return load_file(directory / "model" / "model.safetensors")


def difference(one: Path, other: Path) -> float:
    """Return the largest difference between the weights of two runs."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)
