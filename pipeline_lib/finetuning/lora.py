"""Low-rank additions to the matrices of an encoder (LoRA, Hu et al. 2021, section 4.1).

The matrix W of a linear layer becomes W + (alpha / rank) B A while a model is tuned, of which A and
B alone are trained. Afterwards the sum takes the place of W: a tuned model is an ordinary one.

The sum is formed in the place of the weight and not beside the layer: the operators of Hyena read
the weights of their layers themselves, and would not notice a layer that is wrapped. That is also
why this is not done by the package ``peft``, which wraps layers.
"""

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pipeline_lib.models.hyena import Layer as HyenaLayer
from pipeline_lib.models.hyena_filter import ImplicitFilter
from pipeline_lib.models.layer import Layer


class LowRank(nn.Module):
    """A matrix with a low-rank addition, which is 0 at the beginning.

    Parameters
    ----------
    weight
        The matrix; (outputs, inputs).
    rank
        Of the addition.
    alpha
        The addition is scaled by alpha / rank.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.scale = alpha / rank
        self.down = nn.Parameter(weight.new_empty(rank, inputs))
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        nn.init.normal_(self.down, std=inputs**-0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum; (outputs, inputs)."""
        return torch.addmm(weight, self.up, self.down, alpha=self.scale)


def add_low_rank(encoder: nn.Module, *, rank: int, alpha: float) -> int:
    """Add low-rank matrices to the linear layers of an encoder, and freeze all its other weights.

    Additions go to what hidden vectors pass in the layers of the model: the projections and the
    output of attention or of the Hyena operator, and the feed-forward block. Query, key and value
    are one matrix here and have one addition together.

    Parameters
    ----------
    encoder
        Model to change in place.
    rank
        Of the additions.
    alpha
        They are scaled by alpha / rank.

    Returns
    -------
    int
        Number of weights of the additions.
    """
    encoder.requires_grad_(False)
    added = 0
    for linear in linear_layers(encoder):
        addition = LowRank(linear.weight, rank, alpha)
        parametrize.register_parametrization(linear, "weight", addition)
        added += addition.down.numel() + addition.up.numel()
    return added


def merge_low_rank(encoder: nn.Module) -> None:
    """Put the sums in the place of the matrices, whose names are then what they were."""
    for linear in linear_layers(encoder):
        if parametrize.is_parametrized(linear, "weight"):
            parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
    encoder.requires_grad_(True)


def linear_layers(encoder: nn.Module) -> list[nn.Linear]:
    """Return the linear layers that hidden vectors pass, in the order of the model."""
    layers = [part for part in encoder.modules() if isinstance(part, Layer | HyenaLayer)]
    filters = [part for part in encoder.modules() if isinstance(part, ImplicitFilter)]
    left_out = {id(part) for part in chain.from_iterable(part.modules() for part in filters)}
    return [
        part
        for part in chain.from_iterable(layer.modules() for layer in layers)
        if isinstance(part, nn.Linear) and id(part) not in left_out
    ]
