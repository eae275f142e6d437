"""From what is asked of a model to the loss of its answers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead


@dataclass(frozen=True, slots=True)
class Totals:
    """What the parts of a loss are divided by: sums over a whole batch, however it is divided.

    Attributes
    ----------
    weight
        Sum of the weights of all targets.
    numbers
        Numbers to be predicted.
    orders
        Samples of which the order of the halves is asked.
    """

    weight: float
    numbers: float = 0.0
    orders: float = 0.0

    @classmethod
    def of(cls, examples: Examples) -> "Totals":
        """Return the totals of a batch."""
        numbers = 0 if examples.numbers is None else len(examples.numbers)
        orders = 0 if examples.swapped is None else int((examples.swapped >= 0).sum())
        return cls(examples.total_weight, numbers, orders)


class Trained(nn.Module):
    """All that is trained: the model, and what is needed for pretraining alone.

    Called with examples it returns their loss, so that it can be spread over devices as a whole.

    Parameters
    ----------
    model
        The language model.
    order
        The classifier of the order of halves, if it is part of the objective.
    number_weight
        Weight of the squared error of numbers.
    """

    def __init__(
        self,
        model: LanguageModel,
        order: SentenceOrderHead | None = None,
        number_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.model, self.order, self.number_weight = model, order, number_weight
        # What nobody asks for is not trained: the head of numbers, where there are no numbers in
        # the objective, and the embedding of numbers, which are predicted here and never read.
        unused = [getattr(model.encoder, "numbers", None)]
        if not number_weight:
            unused.append(getattr(model, "regression", None))
        for part in unused:
            if isinstance(part, nn.Module):
                part.requires_grad_(False)

    @property
    def in_runs(self) -> bool:
        """Whether the loss comes in parts, one for each run of segments; see :meth:`runs`."""
        return isinstance(self.model, RecurrentMemoryModel)

    def forward(self, examples: Examples, totals: Totals | None) -> tuple[Tensor, Tensor]:
        """Return the loss of examples, and the part of it that is about tokens.

        The sum over all parts of a batch is the weighted mean of the cross-entropy of the tokens,
        in nats, plus ``number_weight`` x the mean squared error of the numbers (Zhang et al. 2023,
        equation 1), plus the mean cross-entropy of the order of the halves.

        Parameters
        ----------
        examples
            A batch, or a part of it.
        totals
            Of the whole batch. None: return the sum of the cross-entropy of the tokens alone.
        """
        device = self._device
        targets = torch.from_numpy(examples.targets).to(device)
        answers = torch.from_numpy(examples.answers).to(device)
        at = encode(self.model, examples, device)
        weights = None
        if totals is not None and examples.weights is not None:
            weights = torch.from_numpy(examples.weights).to(device)
        loss = token_loss(self.model.scores(at(targets)).float(), answers, weights)
        if totals is None:
            return loss, loss.detach()
        loss = loss / max(totals.weight, 1e-6)
        tokens = loss.detach()
        loss = loss + self._number_loss(examples, totals, at)
        return loss + self._order_loss(examples, totals, at), tokens

    def runs(self, examples: Examples, totals: Totals) -> Iterator[Tensor]:
        """Yield the loss of one run of segments after another, for recurrent memory.

        Each is to be propagated back before the next is asked for.
        """
        assert isinstance(self.model, RecurrentMemoryModel)
        arrays = (examples.inputs, examples.shown, examples.targets, examples.answers)
        inputs, shown, targets, answers = (
            torch.from_numpy(array).to(self._device) for array in arrays
        )
        weights = None
        if examples.weights is not None:
            weights = torch.from_numpy(examples.weights).to(self._device)
        for loss in self.model.losses(inputs, shown, targets, answers, weights):
            yield loss / max(totals.weight, 1e-6)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    def _number_loss(
        self, examples: Examples, totals: Totals, at: Callable[[Tensor], Tensor]
    ) -> Tensor | float:
        if not self.number_weight or examples.number_places is None:
            return 0.0
        assert isinstance(self.model, CausalLanguageModel)
        places = torch.from_numpy(examples.number_places).to(self._device)
        said = self.model.numbers(at(places)).float()
        truth = torch.from_numpy(examples.numbers).to(self._device)
        squares = functional.mse_loss(said, truth, reduction="sum")
        return self.number_weight * squares / max(totals.numbers, 1)

    def _order_loss(
        self, examples: Examples, totals: Totals, at: Callable[[Tensor], Tensor]
    ) -> Tensor | float:
        if self.order is None or examples.swapped is None:
            return 0.0
        first = torch.zeros(examples.targets.shape, dtype=torch.bool, device=self._device)
        first[:, 0] = True
        swapped = torch.from_numpy(examples.swapped).to(self._device)
        scores = self.order(at(first)).float()
        entropy = functional.cross_entropy(scores, swapped, ignore_index=-1, reduction="sum")
        return entropy / max(totals.orders, 1)


def encode(
    model: LanguageModel, examples: Examples, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Return a function from places, (batch, length), to their hidden vectors; (places, width).

    Models that can do without padding get the sequences end to end.
    """
    inputs = torch.from_numpy(examples.inputs).to(device)
    if examples.shown.all():
        hidden = model.encoder(inputs, None)
        return lambda places: hidden[places]
    shown = torch.from_numpy(examples.shown).to(device)
    if not model.packs:
        padded = model.encoder(inputs, shown)
        return lambda places: padded[places]
    lengths = examples.shown.sum(axis=1).tolist()
    packed = model.encoder(inputs[shown], None, lengths=lengths)
    return lambda places: packed[places[shown]]


def token_loss(logits: Tensor, answers: Tensor, weights: Tensor | None) -> Tensor:
    """Return the sum of the cross-entropy of tokens in nats, each times its weight."""
    if weights is None:
        return functional.cross_entropy(logits, answers, reduction="sum")
    return (functional.cross_entropy(logits, answers, reduction="none") * weights).sum()


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a model computes: bf16 where asked for and to be had.

    ``auto`` is bf16 on a GPU that has it and fp32 elsewhere: on a CPU without matrix units for
    bf16 it is slower than fp32.
    """
    if precision == "auto":
        # Older GPUs, such as the V100, can imitate bf16, but slower than they compute in fp32.
        has = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if has else "fp32"
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
