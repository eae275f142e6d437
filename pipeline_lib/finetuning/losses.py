"""What a head learns: the loss, the scores and the measure of each kind of target.

An objective is made from the training targets alone. With it and a head the scores of any example
can be told: it is saved beside the head.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef, roc_auc_score
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.scaling import Scaler

Truth = NDArray[np.float32]
Scores = NDArray[np.float64]
REMEDY = "give the task more examples, or other holdouts"


class Objective(ABC):
    """How a head is trained and how its outputs are read.

    Attributes
    ----------
    measure
        Name of the score by which the best epoch is chosen on the validation examples.
    """

    measure: ClassVar[str]

    @abstractmethod
    def weight(self, truth: Truth) -> float:
        """Return what the sum of the losses of some examples is divided by."""

    @abstractmethod
    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the sum of the losses of a batch.

        Parameters
        ----------
        outputs
            Of the head; (batch, outputs).
        truth
            Targets; (batch, width of the target).
        """

    @abstractmethod
    def scores(self, outputs: Tensor) -> Scores:
        """Return probabilities, or numbers in the units of the target; (batch, outputs)."""

    @abstractmethod
    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return how good scores are: finite, the larger the better.

        Raises
        ------
        InputError
            If these examples can tell nothing.
        """

    @abstractmethod
    def state(self) -> dict[str, list[float]]:
        """Return what was learnt of the training targets, as JSON holds it without loss."""


@dataclass(frozen=True)
class SeveralClasses(Objective):
    """One class of several: cross-entropy.

    Training with class weights is training on a population in which the classes are equally
    frequent. Dividing the odds by the ratio of the weights turns the probabilities back into
    those of the examples as they are (Elkan 2001, theorem 2).

    Attributes
    ----------
    weights
        Of the classes; shape (classes,).
    """

    weights: NDArray[np.float32]
    measure: ClassVar[str] = "mcc"

    @classmethod
    def of(cls, truth: Truth, classes: int, *, balanced: bool) -> "SeveralClasses":
        """Return the objective for training targets."""
        counts = np.bincount(_classes(truth), minlength=classes)
        weights = len(truth) / (classes * np.maximum(counts, 1)) if balanced else np.ones(classes)
        return cls(weights.astype(np.float32))

    def weight(self, truth: Truth) -> float:
        """Return the sum of the weights of the examples' classes."""
        return float(self.weights[_classes(truth)].sum())

    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the weighted cross-entropy."""
        weights = torch.from_numpy(self.weights).to(outputs.device)
        labels = torch.from_numpy(_classes(truth)).to(outputs.device)
        return functional.cross_entropy(outputs.float(), labels, weight=weights, reduction="sum")

    def scores(self, outputs: Tensor) -> Scores:
        """Return the probabilities of the classes."""
        shift = torch.from_numpy(self.weights).to(outputs.device).double().log()
        return _array(torch.softmax(outputs.double() - shift, dim=1))

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return Matthews' correlation of the likeliest classes (Gorodkin 2004)."""
        labels = _classes(truth)
        _refuse_single(labels)
        return float(matthews_corrcoef(labels, scores.argmax(axis=1)))

    def state(self) -> dict[str, list[float]]:
        """Return the class weights."""
        return {"weights": self.weights.tolist()}


@dataclass(frozen=True)
class TwoClasses(SeveralClasses):
    """Two classes, of which the second counts as found or missed."""

    measure: ClassVar[str] = "auroc"

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return the AUROC of the second class."""
        labels = _classes(truth)
        _refuse_single(labels)
        return float(roc_auc_score(labels, scores[:, 1]))


@dataclass(frozen=True)
class Labels(Objective):
    """Any of several labels, each known or not: binary cross-entropy.

    As with classes, weights are undone in the scores.

    Attributes
    ----------
    weights
        Weight of the presence of each label; that of its absence is 1. Shape (labels,).
    """

    weights: NDArray[np.float32]
    measure: ClassVar[str] = "median_auroc"

    @classmethod
    def of(cls, truth: Truth, *, balanced: bool) -> "Labels":
        """Return the objective for training targets."""
        present, absent = (truth == 1).sum(axis=0), (truth == 0).sum(axis=0)
        both = balanced & (present > 0) & (absent > 0)
        return cls(np.where(both, absent / np.maximum(present, 1), 1.0).astype(np.float32))

    def weight(self, truth: Truth) -> float:
        """Return how many labels are known."""
        return float(np.isfinite(truth).sum())

    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the binary cross-entropy of the labels that are known."""
        known, filled = _known(truth, outputs.device)
        weights = torch.from_numpy(self.weights).to(outputs.device)
        return functional.binary_cross_entropy_with_logits(
            outputs.float(), filled, weight=known, pos_weight=weights, reduction="sum"
        )

    def scores(self, outputs: Tensor) -> Scores:
        """Return the probability of each label."""
        shift = torch.from_numpy(self.weights).to(outputs.device).double().log()
        return _array(torch.sigmoid(outputs.double() - shift))

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return the median AUROC over the labels that are present in some and not in others."""
        found = []
        for label, score in zip(truth.T, scores.T, strict=True):
            known = np.isfinite(label)
            if len(np.unique(label[known])) == 2:
                found.append(roc_auc_score(label[known], score[known]))
        if not found:
            raise InputError(
                "no label is present in some validation examples and absent in others",
                remedy=REMEDY,
            )
        return float(np.median(found))

    def state(self) -> dict[str, list[float]]:
        """Return the weights."""
        return {"weights": self.weights.tolist()}


@dataclass(frozen=True)
class Measurements(Objective):
    """Numbers, each known or not: the mean squared error of what is scaled by the training split.

    Attributes
    ----------
    scaler
        Mean and deviation of the training targets.
    """

    scaler: Scaler
    measure: ClassVar[str] = "pearson"

    @classmethod
    def of(cls, truth: Truth) -> "Measurements":
        """Return the objective for training targets."""
        return cls(Scaler.of(truth))

    def weight(self, truth: Truth) -> float:
        """Return how many numbers are known."""
        return float(np.isfinite(truth).sum())

    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the squared error of the numbers that are known."""
        known, filled = _known(self.scaler.apply(truth), outputs.device)
        return (known * (outputs.float() - filled) ** 2).sum()

    def scores(self, outputs: Tensor) -> Scores:
        """Return the numbers in their own units."""
        return self.scaler.undo(_array(outputs.double()))

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return Pearson's r, the mean over the numbers; 0 where all scores are the same."""
        found = []
        for values, score in zip(truth.T, scores.T, strict=True):
            known = np.isfinite(values)
            if known.any() and np.ptp(values[known]) > 0:
                found.append(_pearson(values[known].astype(np.float64), score[known]))
        if not found:
            raise InputError("no number differs between the validation examples", remedy=REMEDY)
        return float(np.mean(found))

    def state(self) -> dict[str, list[float]]:
        """Return mean and deviation."""
        return self.scaler.to_lists()


def make_objective(target: Target, truth: Truth, settings: FinetuningSettings) -> Objective:
    """Return the objective of a task.

    Parameters
    ----------
    target
        What is to be predicted.
    truth
        Targets of the training examples; (examples, width).
    settings
        Whether classes or labels are weighed.

    Raises
    ------
    InputError
        If a number is known of no training example.
    """
    if target.kind == "class":
        kind = TwoClasses if target.outputs == 2 else SeveralClasses
        return kind.of(truth, target.outputs, balanced=settings.class_weights == "balanced")
    if target.kind == "labels":
        return Labels.of(truth, balanced=settings.label_weights == "balanced")
    unknown = ~np.isfinite(truth).any(axis=0)
    if unknown.any():
        raise InputError(
            f"no training example has a value of {target.names[int(unknown.argmax())]!r}",
            expected="some measured values of every number",
            remedy="leave that number out of the task's `target`",
        )
    return Measurements.of(truth)


def restore_objective(target: Target, state: Mapping[str, Any]) -> Objective:
    """Return the objective that a head was trained by, from what :meth:`Objective.state` told."""
    if target.kind == "numbers":
        return Measurements(Scaler.from_lists(dict(state)))
    weights = np.array(state["weights"], dtype=np.float32)
    if target.kind == "labels":
        return Labels(weights)
    return TwoClasses(weights) if target.outputs == 2 else SeveralClasses(weights)


def _classes(truth: Truth) -> NDArray[np.int64]:
    return truth[:, 0].astype(np.int64)


def _known(truth: Truth, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return 1 where a target is known and 0 elsewhere, and the targets with 0 for unknown ones."""
    known = np.isfinite(truth)
    filled = np.where(known, truth, np.float32(0))
    return torch.from_numpy(known.astype(np.float32)).to(device), torch.from_numpy(filled).to(
        device
    )


def _array(values: Tensor) -> Scores:
    return values.cpu().numpy()


def _refuse_single(labels: NDArray[np.int64]) -> None:
    if len(np.unique(labels)) < 2:
        raise InputError("all validation examples are of one class", remedy=REMEDY)


def _pearson(values: Scores, scores: Scores) -> float:
    first, second = values - values.mean(), scores - scores.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float(first @ second) / norm if norm > 0 else 0.0
