"""From what is asked of a model to the loss of its answers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead


def losses(
    model: LanguageModel,
    examples: Examples,
    *,
    total: float,
    device: torch.device,
    share: float = 1.0,
    number_weight: float = 0.0,
    order: SentenceOrderHead | None = None,
) -> Iterator[Tensor]:
    """Yield the parts of the loss; each is to be propagated back before the next is asked for.

    The sum of the parts is the weighted mean of the cross-entropy of the tokens, in nats, plus
    ``number_weight`` x the mean squared error of the numbers (Zhang et al. 2023, equation 1), plus
    the mean cross-entropy of the order of the halves.

    Parameters
    ----------
    examples
        A batch, or a part of it.
    total
        Sum of the weights of all targets of the whole batch.
    share
        Share of the batch that this part is.
    order
        The classifier of the order, if it is asked for.
    """
    targets = torch.from_numpy(examples.targets).to(device)
    answers = torch.from_numpy(examples.answers).to(device)
    weights = None if examples.weights is None else torch.from_numpy(examples.weights).to(device)
    inputs = torch.from_numpy(examples.inputs).to(device)
    if isinstance(model, RecurrentMemoryModel):
        shown = torch.from_numpy(examples.shown).to(device)
        for part in model.losses(inputs, shown, targets, answers, weights):
            yield part / total
        return
    at = encode(model, examples, device)
    loss = token_loss(model.scores(at(targets)).float(), answers, weights) / total
    asked = examples.numbers is not None and len(examples.numbers) and number_weight
    if asked and isinstance(model, CausalLanguageModel):
        places = torch.from_numpy(examples.number_places).to(device)
        said = model.numbers(at(places)).float()
        truth = torch.from_numpy(examples.numbers).to(device)
        loss = loss + share * number_weight * functional.mse_loss(said, truth)
    if order is not None and examples.swapped is not None and (examples.swapped >= 0).any():
        first = torch.zeros_like(targets)
        first[:, 0] = True
        swapped = torch.from_numpy(examples.swapped).to(device)
        scores = order(at(first)).float()
        loss = loss + share * functional.cross_entropy(scores, swapped, ignore_index=-1)
    yield loss


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
        precision = "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
