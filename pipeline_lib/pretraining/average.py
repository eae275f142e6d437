"""A running mean of the weights, which is validated and kept in place of the last ones.

Weights sway around a valley while the learning rate is high; their mean lies nearer to its floor
(Polyak and Juditsky 1992; Morales-Brotons et al. 2024).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class RunningMean:
    """The mean of the weights over the last steps, the latest counting most.

    After step t, counted from 0, ``mean += (1 - d) * (weights - mean)`` with ``d = min(decay,
    (1 + t) / (10 + t))``. The second term lets the mean cover about the last tenth of the steps
    done, as long as that is less than ``1 / (1 - decay)`` steps: what is left of the random start
    falls with the ninth power of t, and is a billionth after 100 steps. A mean of fixed decay
    divided by ``1 - decay^t``, as in Adam, would forget the start too, but weigh the first steps
    and the latest alike for as long as the run is short.

    Works on weights that are spread over processes (``DTensor``) as on whole ones: every process
    keeps the mean of its own share.

    Parameters
    ----------
    model
        Model whose weights are followed. Later calls must name the same weights.
    decay
        Of a long run: 0.999 averages over about 1,000 steps.

    Attributes
    ----------
    updates
        Steps that are part of the mean.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self._weights = {name: weight.detach().clone() for name, weight in _weights(model)}
        self._swapped = False

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Let the weights after one more step be part of the mean."""
        self._check_home()
        means, weights = self._pairs(model)
        share = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        if type(means[0]) is Tensor:
            torch._foreach_lerp_(means, weights, share)
        else:
            for mean, weight in zip(means, weights, strict=True):
                mean.lerp_(weight, share)
        self.updates += 1

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Let the model have the mean as its weights for as long as the block lasts.

        Takes the room of the largest weight. The weights are afterwards what they were, bit for
        bit, also if the block ends with an error.
        """
        self._check_home()
        self._swap(model)
        self._swapped = True
        try:
            yield
        finally:
            self._swap(model)
            self._swapped = False

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on: the mean itself, not a copy, and the steps in it."""
        self._check_home()
        return {"updates": self.updates, "weights": dict(self._weights)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned.

        Raises
        ------
        KeyError
            If it is of a model with other weights.
        """
        if state["weights"].keys() != self._weights.keys():
            raise KeyError("the running mean is of a model with other weights")
        self.updates = int(state["updates"])
        for name, mean in self._weights.items():
            mean.copy_(state["weights"][name])

    @torch.no_grad()
    def _swap(self, model: nn.Module) -> None:
        # Copied, not exchanged: FSDP2 holds on to the memory of its shares.
        for mean, weight in zip(*self._pairs(model), strict=True):
            kept = weight.clone()
            weight.copy_(mean)
            mean.copy_(kept)

    def _pairs(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        """Return the means and the weights, in the same order."""
        _gather_in(model)
        weights = {name: weight.detach() for name, weight in _weights(model)}
        return [self._weights[name] for name in weights], list(weights.values())

    def _check_home(self) -> None:
        if self._swapped:
            raise RuntimeError("the running mean is in use as the weights of the model")


def _weights(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return (item for item in model.named_parameters() if item[1].requires_grad)


def _gather_in(model: nn.Module) -> None:
    """Let every process keep its share alone: FSDP2 may still hold whole weights of a pass."""
    for module in model.modules():
        reshard = getattr(module, "reshard", None)
        if callable(reshard):
            reshard()
