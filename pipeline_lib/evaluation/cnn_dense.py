"""A small dilated convolutional network for targets along the sequence, from random weights.

Residual layers of dilated convolutions over one-hot bases, as in SpliceAI (Jaganathan et al.
2019) and Basenji (Kelley et al. 2018) but a thousandth of their size: every base sees 253 bases on
either side.
"""

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import reached
from pipeline_lib.evaluation.features_dense import dense_constant, stretch_codes
from pipeline_lib.evaluation.measures import measures_of
from pipeline_lib.finetuning.examples import Examples, Target
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

CHANNELS = 24
WIDTHS, DILATIONS = (9, 9, 9, 9), (1, 4, 16, 40)
FIRST = 19
SIDE = FIRST // 2 + sum(w // 2 * d for w, d in zip(WIDTHS, DILATIONS, strict=True))
"""Bases on either side that the prediction for a base depends on."""
BATCH_BASES = 32_768
FEWEST_STEPS = 12
"""Steps of an epoch, if there are as many sequences."""
MOST_EPOCHS, PATIENCE = 20, 3
LEARNING_RATE = 3e-3
COST = 8
"""A base takes this many times the work that it takes in the other network."""

Floats = NDArray[np.float32]


class DenseNetwork(nn.Module):
    """Dilated convolutions over a sequence, and a linear layer for each bin.

    Parameters
    ----------
    target
        Bins, and what is predicted of each.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.bin = target.bin
        self.first = nn.Conv1d(4, CHANNELS, FIRST)
        self.layers = nn.ModuleList(
            nn.Conv1d(CHANNELS, CHANNELS, width, dilation=dilation)
            for width, dilation in zip(WIDTHS, DILATIONS, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(CHANNELS) for _ in WIDTHS)
        self.head = nn.Conv1d(CHANNELS, len(target.names), 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits or logarithms; (batch, bins, names).

        Parameters
        ----------
        codes
            0 to 3, 4 for an unknown base; (batch, bases of all bins + 2 * SIDE).
        """
        hot = torch.stack([codes == base for base in range(4)], dim=1).float()
        hidden = self.first(hot)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            found = layer(functional.relu(norm(hidden)))
            lost = (hidden.shape[2] - found.shape[2]) // 2
            hidden = hidden[:, :, lost : lost + found.shape[2]] + found
        if self.bin > 1:
            hidden = functional.avg_pool1d(hidden, self.bin)
        return self.head(hidden).transpose(1, 2)  # type: ignore[no-any-return]


def fit_dense_cnn(
    examples: Examples, settings: EvaluationConfig, *, seed: int
) -> tuple[Floats, dict[str, Any]]:
    """Train the network; the epoch with the smallest loss on the validation split is kept.

    Returns
    -------
    scores
        Of all examples, 0 for those of training; (examples, outputs).
    about
        Losses of all epochs, and the headline metric on the validation split.
    """
    target = examples.target
    split = examples.table["split"].to_numpy()
    codes = stretch_codes(examples.table["sequence"].to_list(), target, SIDE)
    truth = examples.targets()
    begin = dense_constant(examples.of("train"))
    network = DenseNetwork(target).to(_device())
    with torch.no_grad():
        bias = np.log(np.maximum(begin, 1e-6))
        network.head.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
    train, valid = (np.flatnonzero(split == name) for name in ("train", "valid"))
    history = _train(network, codes, truth, target, (train, valid), settings, seed)
    scores = np.zeros((len(examples), target.outputs), dtype=np.float32)
    for rows in _batches(np.flatnonzero(split != "train"), codes.shape[1]):
        scores[rows] = _scores(network, codes[rows], target)
    value = reached(examples, scores)
    metric = f"valid_{measures_of(target).headline}"
    return scores, {"epochs": history, metric: value if np.isfinite(value) else None}


def _train(
    network: DenseNetwork,
    codes: NDArray[np.uint8],
    truth: Floats,
    target: Target,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    settings: EvaluationConfig,
    seed: int,
) -> list[dict[str, float]]:
    """Train with early stopping; the weights are those of the best epoch afterwards."""
    train, valid = rows
    length = codes.shape[1]
    affordable = max(1, settings.cnn_bases // COST // length)
    epochs = min(MOST_EPOCHS, max(3, affordable // len(train)))
    size = min(len(train), max(1, affordable // epochs))
    # Of few sequences batches are smaller, so that there are steps enough.
    share = max(1, size // FEWEST_STEPS)
    steps = len(_batches(train[:size], length, share))
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps, div_factor=3, pct_start=0.2
    )
    generator = named_generator(seed, "dense cnn")
    history: list[dict[str, float]] = []
    best, best_epoch, state = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in progress(range(1, epochs + 1), "dilated CNN", unit="epoch"):
        network.train()
        total, known = 0.0, 0
        for part in _batches(generator.permutation(train)[:size], length, share):
            loss, count = _loss(network, codes[part], truth[part], target)
            optimizer.zero_grad()
            (loss / max(count, 1)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total, known = total + float(loss.detach()), known + count
        held = _mean_loss(network, codes, truth, target, valid)
        history.append({"epoch": epoch, "loss": total / max(known, 1), "valid_loss": held})
        if held < best:
            best, best_epoch, state = held, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= PATIENCE:
            break
    network.load_state_dict(state)
    return history


@torch.inference_mode()
def _mean_loss(
    network: DenseNetwork,
    codes: NDArray[np.uint8],
    truth: Floats,
    target: Target,
    rows: NDArray[np.intp],
) -> float:
    network.eval()
    parts = _batches(rows, codes.shape[1])
    found = [_loss(network, codes[part], truth[part], target) for part in parts]
    return sum(float(loss) for loss, _ in found) / max(sum(count for _, count in found), 1)


def _loss(
    network: DenseNetwork, codes: NDArray[np.uint8], truth: Floats, target: Target
) -> tuple[Tensor, int]:
    """Return the sum of the losses over what is known, and how much that is."""
    found = network(torch.from_numpy(codes).to(_device()))
    known = ~np.isnan(truth)
    filled = np.where(known, truth, -1)
    if target.kind == "bases":
        labels = torch.from_numpy(filled.astype(np.int64)).to(found.device)
        loss = functional.cross_entropy(
            found.flatten(0, 1), labels.flatten(), ignore_index=-1, reduction="sum"
        )
    else:
        values = torch.from_numpy(filled).to(found.device)
        each = torch.exp(found.flatten(1)) - values * found.flatten(1)
        loss = (each * torch.from_numpy(known).to(found.device)).sum()
    return loss, int(known.sum())


@torch.inference_mode()
def _scores(network: DenseNetwork, codes: NDArray[np.uint8], target: Target) -> Floats:
    network.eval()
    found = network(torch.from_numpy(codes).to(_device()))
    scores = found.softmax(dim=2) if target.kind == "bases" else torch.exp(found)
    return np.asarray(scores.flatten(1).cpu().numpy())


def _batches(
    rows: NDArray[np.intp], length: int, most: int | None = None
) -> list[NDArray[np.intp]]:
    size = max(1, BATCH_BASES // length)
    size = size if most is None else min(size, most)
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
