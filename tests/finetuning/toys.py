"""Small tokenizers, models and solvable tasks of every kind."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.config.tasks import AnyTask, parse_task
from pipeline_lib.finetuning.examples import Examples, Target, as_lists
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.tokenizer.train import ALPHABET, byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS, read_vocabulary

SHAPE = Architecture(
    layers=1, width=32, heads=2, feedforward_width=64, context_length=64, dropout=0.0
)
GPT = Architecture(
    family="gpt2", attention="causal", norm="pre", final_norm=True, layers=2, width=24, heads=2,
    feedforward_width=48, context_length=64, init_std=0.2,
)  # fmt: skip
HYENA = HyenaArchitecture(layers=2, width=24, feedforward_width=48, context_length=64, init_std=0.2)
CLASSES = Target("class", ("decoy", "tis"))
THREE = Target("class", ("none", "acceptor", "donor"))
LABELS = Target("labels", ("DHS", "TF", "HM"), {"first": (0,)})
NUMBERS = Target("numbers", ("high", "low"))
TARGETS = {"two": CLASSES, "three": THREE, "labels": LABELS, "numbers": NUMBERS}


def write_tokenizer(path: Path) -> Path:
    """Write a byte-pair encoding with all words of two letters and some of four."""
    letters = [*SPECIAL_TOKENS, *ALPHABET]
    twos = ["".join(pair) for pair in product("ACGT", repeat=2)]
    words = letters + twos + [first + second for first, second in product(twos[::5], twos[::3])]
    ids = {word: number for number, word in enumerate(words)}
    halves = [(word[: len(word) // 2], word[len(word) // 2 :]) for word in words[len(letters) :]]
    tokenizer = byte_pair_tokenizer(words, [(ids[one], ids[other]) for one, other in halves])
    path.write_text(tokenizer.to_str())
    return path


def write_model(folder: Path, tokenizer: Path, shape: AnyArchitecture = SHAPE) -> Path:
    """Write a model folder with random weights."""
    torch.manual_seed(9)
    model = build_model(shape, len(read_vocabulary(tokenizer)))
    save_model(folder, model, shape, tokenizer, card="test")
    return folder


def make_task(**changes: Any) -> AnyTask:
    """Return settings with which the tasks below are solved."""
    base = {
        "type": "table", "file": "examples.csv", "epochs": 3, "batch_size": 16,
        "learning_rate": 5e-3, "pooling": "center",
    }  # fmt: skip
    return parse_task(base | changes)


def make_examples(target: Target = CLASSES, count: int = 480, *, seed: int = 0) -> Examples:
    """Return examples that three letters before the focus decide on; half of them for training.

    Some labels and numbers are not known.
    """
    rng = np.random.default_rng(seed)
    words = ("TAT", "GGG", "CAC")[: 3 if target is THREE else 2]
    chosen = rng.integers(len(words), size=count)
    letters = rng.choice(list("ACGT"), (count, 63))
    letters[:, 30:33] = list("ATG")
    letters[:, 27:30] = np.array([list(word) for word in words])[chosen]
    targets = chosen[:, None].astype(np.float32)
    if target.kind == "labels":
        targets = np.stack([chosen, 1 - chosen, rng.integers(2, size=count)], axis=1)
    elif target.kind == "numbers":
        noise = rng.normal(size=(count, 2))
        targets = np.stack([1000 + 50 * chosen, 0.001 - 0.01 * chosen], axis=1)
        targets = targets + noise * [5, 0.001]
    targets = targets.astype(np.float32)
    if target.kind != "class":
        targets[rng.random(targets.shape) < 0.1] = np.nan
    return Examples(frame(["".join(row) for row in letters], targets), target)


def frame(sequences: list[str], targets: np.ndarray) -> pd.DataFrame:
    """Return a table of examples about base 30; half of them for training."""
    count = len(sequences)
    sizes = (count - count // 2, count // 4, count // 2 - count // 4)
    return pd.DataFrame(
        {
            "example": np.arange(count),
            "split": np.repeat(["train", "valid", "test"], sizes),
            "group": np.arange(count),
            "sequence": sequences,
            "partner": "",
            "focus": 30,
            "numbers": as_lists(np.empty((count, 0))),
            "target": as_lists(targets),
            "contig": "a",
            "start": np.arange(count) * 100,
        }
    )
