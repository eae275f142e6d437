"""A small convolutional network trained from random weights: the third baseline of every task.

Three layers of convolutions over one-hot bases with pooling between them, as in the first
networks for regulatory DNA (DeepSEA, Zhou and Troyanskaya 2015; Basset, Kelley et al. 2016) but
a hundredth of their size. Sequences are aligned at the base that they are about, and where along
the sequence a pattern lies is kept in eight segments.
"""

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import reached, write_baseline
from pipeline_lib.evaluation.features import base_table, numbers
from pipeline_lib.evaluation.measures import measures_of
from pipeline_lib.finetuning.examples import Examples, Target, read_examples
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

CHANNELS = 32
SEGMENTS = 8
LONGEST = 16_384
BATCH = 64
FEWEST_EPOCHS = 5
MANY_EPOCHS = 20
"""Most epochs, unless they are fewer steps than this:"""
FEWEST_STEPS = 600
PATIENCE = 3
LEARNING_RATES = {"layers": 2e-3, "head": 2e-3, "given": 0.05}
"""Numbers given with a sequence are few: they are to be used before the layers learn by heart."""
SCORING_BASES = 2_000_000

Floats = NDArray[np.floating]


class Network(nn.Module):
    """Convolutions over one or two sequences, and a linear layer over what they find.

    Parameters
    ----------
    outputs
        Numbers returned for an example.
    numbers
        Further numbers given with an example.
    sequences
        1, or 2 for pairs; both go through the same convolutions.
    """

    def __init__(self, outputs: int, *, numbers: int = 0, sequences: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, entering, step in ((13, 4, 2), (7, CHANNELS, 1), (5, CHANNELS, 1)):
            layers += [nn.Conv1d(entering, CHANNELS, width, stride=step, padding=width // 2)]
            # Pooled before the rest, which is then a fourth of the work.
            layers += [nn.MaxPool1d(4 // step, ceil_mode=True)]
            layers += [nn.BatchNorm1d(CHANNELS), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveMaxPool1d(SEGMENTS))
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(CHANNELS * SEGMENTS * sequences, outputs)
        self.given = nn.Linear(numbers, outputs, bias=False) if numbers else None
        if self.given is not None:
            nn.init.zeros_(self.given.weight)

    @property
    def trained(self) -> list[str]:
        """Names of the parts that have weights."""
        return ["layers", "head", *(["given"] if self.given is not None else [])]

    def forward(self, sequences: list[Tensor], numbers: Tensor) -> Tensor:
        """Return logits or numbers; shape (batch, outputs).

        Parameters
        ----------
        sequences
            Codes 0 to 3, 4 for an unknown base; each of shape (batch, length).
        numbers
            Shape (batch, numbers).
        """
        found = [self.layers(_one_hot(codes)).flatten(1) for codes in sequences]
        logits: Tensor = self.head(self.dropout(torch.cat(found, 1)))
        return logits if self.given is None else logits + self.given(numbers)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All examples of a task as arrays."""

    sequences: list[NDArray[np.uint8]]
    numbers: NDArray[np.float32]
    targets: NDArray[np.float32]

    @property
    def bases(self) -> int:
        """Bases of an example, that of its partner included."""
        return sum(table.shape[1] for table in self.sequences)

    def batch(self, rows: NDArray[np.int64]) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return sequences, numbers and targets of some examples."""
        sequences = [torch.from_numpy(table[rows]) for table in self.sequences]
        return sequences, torch.from_numpy(self.numbers[rows]), torch.from_numpy(self.targets[rows])


def evaluate_cnn(
    examples: Path, output: Path, settings: EvaluationConfig, *, seed: int, threads: int
) -> None:
    """Train the network and write its predictions for valid and test as Parquet.

    The epoch with the smallest loss on the validation split is kept. The scores of all epochs
    are JSON in the metadata of the file (key ``dnalm``).

    Parameters
    ----------
    examples
        ``examples.parquet`` of a task.
    output
        Parquet file with columns example, split and scores.
    settings
        How many bases are read in training.
    seed
        Seed of weights, dropout and order.
    threads
        CPU threads.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    read = read_examples(examples)
    inputs = arrays(read)
    split = read.table["split"].to_numpy()
    train, valid = (np.flatnonzero(split == name) for name in ("train", "valid"))
    if read.target.kind == "numbers":
        middle, spread = _spread(inputs.targets[train])
        inputs = Inputs(inputs.sequences, inputs.numbers, (inputs.targets - middle) / spread)
    network = Network(
        read.target.outputs, numbers=inputs.numbers.shape[1], sequences=len(inputs.sequences)
    )
    history = _train(network, inputs, read.target, train, valid, settings, seed)
    held_out = np.flatnonzero(split != "train")
    scores = np.zeros((len(read), read.target.outputs), dtype=np.float32)
    scores[held_out] = probabilities(predict(network, inputs, held_out), read.target)
    if read.target.kind == "numbers":
        scores = np.asarray(scores * spread + middle, dtype=np.float32)
    value = reached(read, scores)
    metric = f"valid_{measures_of(read.target).headline}"
    about = {"epochs": history, metric: value if np.isfinite(value) else None}
    write_baseline(output, read, scores, about, examples, settings, seed=seed)


def arrays(examples: Examples) -> Inputs:
    """Return examples as arrays of bases, numbers and targets."""
    table = examples.table
    focus = table["focus"].to_numpy()
    sequences = [base_table(table["sequence"].to_list(), focus, LONGEST)]
    if (table["partner"] != "").any():
        middle = np.full(len(table), -1)
        sequences.append(base_table(table["partner"].to_list(), middle, LONGEST))
    return Inputs(sequences, numbers(examples), examples.targets())


def loss(target: Target, found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean loss: cross-entropy, or over what is known, and 0 where nothing is."""
    if target.kind == "class":
        return functional.cross_entropy(found, truth[:, 0].long())
    known = ~torch.isnan(truth)
    filled = torch.where(known, truth, 0)
    if target.kind == "labels":
        each = functional.binary_cross_entropy_with_logits(found, filled, reduction="none")
    else:
        each = (found - filled) ** 2
    return (each * known).sum() / known.sum().clamp(min=1)


def probabilities(found: Floats, target: Target) -> Floats:
    """Return what a network gives as probabilities of classes or labels, or as it is."""
    tensor = torch.from_numpy(found).double()
    if target.kind == "class":
        return np.asarray(torch.softmax(tensor, dim=1).numpy())
    return np.asarray(torch.sigmoid(tensor).numpy()) if target.kind == "labels" else found


@torch.inference_mode()
def predict(network: Network, inputs: Inputs, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what the network gives for some examples; shape (rows, outputs)."""
    device = next(network.parameters()).device
    network.eval()
    size = max(1, SCORING_BASES // max(inputs.bases, 1))
    found = []
    for first in range(0, len(rows), size):
        sequences, given, _ = inputs.batch(rows[first : first + size])
        moved = [codes.to(device) for codes in sequences]
        found.append(network(moved, given.to(device)).float().cpu().numpy())
    return np.concatenate(found)


def _train(
    network: Network,
    inputs: Inputs,
    target: Target,
    train: NDArray[np.int64],
    valid: NDArray[np.int64],
    settings: EvaluationConfig,
    seed: int,
) -> list[dict[str, float]]:
    """Train with early stopping; the weights are those of the best epoch afterwards."""
    network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    epochs, size = plan(len(train), inputs.bases, settings.cnn_bases)
    parts = {name: list(getattr(network, name).parameters()) for name in network.trained}
    groups = [{"params": weights, "lr": LEARNING_RATES[name]} for name, weights in parts.items()]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [LEARNING_RATES[name] for name in parts],
        total_steps=epochs * math.ceil(size / BATCH),
        div_factor=3,
        pct_start=0.2,
    )
    generator = named_generator(seed, "cnn")
    history: list[dict[str, float]] = []
    best, best_epoch, state = math.inf, 0, copy.deepcopy(network.state_dict())
    for epoch in progress(range(1, epochs + 1), "small CNN", unit="epoch"):
        network.train()
        order = generator.permutation(train)[:size]
        total = 0.0
        for rows in np.array_split(order, math.ceil(size / BATCH)):
            found = _batch_loss(network, inputs, target, rows)
            optimizer.zero_grad()
            found.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(found.detach()) * len(rows)
        held_out = _loss_of(network, inputs, target, valid)
        history.append({"epoch": epoch, "loss": total / size, "valid_loss": held_out})
        if held_out < best:
            best, best_epoch, state = held_out, epoch, copy.deepcopy(network.state_dict())
        elif epoch - best_epoch >= max(PATIENCE, epochs // 5):
            break
    network.load_state_dict(state)
    return history


def plan(examples: int, bases: int, most: int) -> tuple[int, int]:
    """Return the number of epochs, and of training examples in each.

    Parameters
    ----------
    examples, bases
        Training examples, and bases of each.
    most
        Bases to be read in all.
    """
    affordable = max(BATCH, most // max(bases, 1))
    wanted = max(MANY_EPOCHS, math.ceil(FEWEST_STEPS / math.ceil(examples / BATCH)))
    epochs = min(wanted, max(FEWEST_EPOCHS, affordable // examples))
    return epochs, min(examples, max(BATCH, affordable // epochs))


def _batch_loss(
    network: Network, inputs: Inputs, target: Target, rows: NDArray[np.int64]
) -> Tensor:
    device = next(network.parameters()).device
    sequences, given, truth = inputs.batch(rows)
    found = network([codes.to(device) for codes in sequences], given.to(device))
    return loss(target, found, truth.to(device))


def _loss_of(network: Network, inputs: Inputs, target: Target, rows: NDArray[np.int64]) -> float:
    found = torch.from_numpy(predict(network, inputs, rows))
    return float(loss(target, found, torch.from_numpy(inputs.targets[rows])))


def _spread(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation of each target, 0 and 1 where nothing is known."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / count
    deviation = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _one_hot(codes: Tensor) -> Tensor:
    """Return bases as (batch, 4, length); an unknown base is 0 in all four."""
    return torch.stack([codes == base for base in range(4)], dim=1).float()
