"""What a head learns of targets along the sequence: classes of bases, and numbers of bins."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.losses import REMEDY, Objective, Scores, Truth

FEWEST = 1e-3
"""Numbers are never predicted to be smaller than this share of their mean at the beginning."""


class Dense(Objective):
    """Any objective of targets along the sequence."""

    dtype: ClassVar[Any] = np.float32  # there are many

    def bias(self) -> NDArray[np.float32]:
        """Return the biases of a head that says the same everywhere: what training begins with."""
        raise NotImplementedError


@dataclass(frozen=True)
class BaseClasses(Dense):
    """One class of several for each base that is known: cross-entropy.

    As with one class of a sequence, class weights are undone in the scores.

    Attributes
    ----------
    weights, shares
        Weight of each class, and its share of the training bases; shape (classes,).
    """

    weights: NDArray[np.float32]
    shares: NDArray[np.float64]
    measure: ClassVar[str] = "auprc"

    @classmethod
    def of(cls, truth: Truth, names: tuple[str, ...], *, balanced: bool) -> "BaseClasses":
        """Return the objective for training targets.

        Raises
        ------
        InputError
            If no base is of some class.
        """
        counts = np.zeros(len(names))
        for row in truth:
            counts += np.bincount(row[~np.isnan(row)].astype(np.int64), minlength=len(names))
        if not counts.all():
            raise InputError(
                f"no base of the training examples is of class {names[int(counts.argmin())]!r}",
                remedy=REMEDY,
            )
        weights = counts.sum() / (len(names) * counts) if balanced else np.ones(len(names))
        return cls(weights.astype(np.float32), counts / counts.sum())

    def bias(self) -> NDArray[np.float32]:
        """Return the logarithms of the classes' shares, weighted."""
        return np.log(self.shares * self.weights).astype(np.float32)

    def weight(self, truth: Truth) -> float:
        """Return the sum of the weights of the bases that are known."""
        return float(self.weights[truth[~np.isnan(truth)].astype(np.int64)].sum())

    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the weighted cross-entropy of the bases that are known."""
        labels = np.where(np.isnan(truth), -1, truth).astype(np.int64).ravel()
        return functional.cross_entropy(
            outputs.float().reshape(-1, len(self.weights)),
            torch.from_numpy(labels).to(outputs.device),
            weight=torch.from_numpy(self.weights).to(outputs.device),
            ignore_index=-1,
            reduction="sum",
        )

    def scores(self, outputs: Tensor) -> Scores:
        """Return the probabilities of the classes of each base; (batch, bases * classes)."""
        shift = torch.from_numpy(self.weights).to(outputs.device).log()
        logits = outputs.float().reshape(len(outputs), -1, len(self.weights))
        found: Scores = torch.softmax(logits - shift, dim=2).flatten(1).cpu().numpy()
        return found

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return the average precision, the mean over all classes but the background."""
        known = ~np.isnan(truth)
        table = scores.reshape(*truth.shape, -1)[known]
        labels = truth[known]
        found = [
            average_precision_score(labels == number, table[:, number])
            for number in range(1, len(self.weights))
            if (labels == number).any()
        ]
        if not found:
            raise InputError("all validation bases are background", remedy=REMEDY)
        return float(np.mean(found))

    def state(self) -> dict[str, list[float]]:
        """Return weights and shares."""
        return {"weights": self.weights.tolist(), "shares": self.shares.tolist()}


@dataclass(frozen=True)
class Tracks(Dense):
    """Numbers of at least 0 for each bin and track: the likelihood of Poisson's distribution.

    Attributes
    ----------
    means
        Mean of each track in training; shape (tracks,).
    """

    means: NDArray[np.float64]
    measure: ClassVar[str] = "pearson"

    @classmethod
    def of(cls, truth: Truth, names: tuple[str, ...]) -> "Tracks":
        """Return the objective for training targets.

        Raises
        ------
        InputError
            If a track is known nowhere or 0 everywhere.
        """
        sums, sizes = np.zeros(len(names)), np.zeros(len(names))
        for row in truth.reshape(len(truth), -1, len(names)):
            sums += np.nansum(row, axis=0, dtype=np.float64)
            sizes += (~np.isnan(row)).sum(axis=0)
        if not sums.all():
            raise InputError(
                f"track {names[int((sums == 0).argmax())]!r} is 0 or unknown in all training "
                "examples",
                remedy="leave this track out of the task",
            )
        return cls(sums / sizes)

    def bias(self) -> NDArray[np.float32]:
        """Return what becomes the means of the tracks."""
        means = np.maximum(self.means, FEWEST)
        return np.where(means > 30, means, np.log(np.expm1(np.minimum(means, 30)))).astype(
            np.float32
        )

    def weight(self, truth: Truth) -> float:
        """Return how many numbers are known."""
        return float((~np.isnan(truth)).sum())

    def loss(self, outputs: Tensor, truth: Truth) -> Tensor:
        """Return the sum of prediction - truth * log(prediction) over what is known."""
        filled = torch.from_numpy(np.where(np.isnan(truth), 0, truth)).to(outputs.device)
        known = torch.from_numpy(~np.isnan(truth)).to(outputs.device)
        each = functional.poisson_nll_loss(
            functional.softplus(outputs.float()), filled, log_input=False, reduction="none"
        )
        return (each * known).sum()

    def scores(self, outputs: Tensor) -> Scores:
        """Return the numbers; (batch, bins * tracks)."""
        found: Scores = functional.softplus(outputs.float()).cpu().numpy()
        return found

    def quality(self, truth: Truth, scores: Scores) -> float:
        """Return Pearson's r over all bins, the mean over tracks; 0 where all scores are alike."""
        found = []
        tracks = len(self.means)
        pairs = (values.reshape(-1, tracks).T for values in (truth, scores))
        for values, score in zip(*pairs, strict=True):
            known = ~np.isnan(values)
            if known.any() and np.ptp(values[known]) > 0:
                first, second = values[known].astype(float), score[known].astype(float)
                spread = second.std() * first.std()
                shared = ((first - first.mean()) * (second - second.mean())).mean()
                found.append(float(shared / spread) if spread > 0 else 0.0)
        if not found:
            raise InputError("no track differs between the validation bins", remedy=REMEDY)
        return float(np.mean(found))

    def state(self) -> dict[str, list[float]]:
        """Return the means."""
        return {"means": self.means.tolist()}
