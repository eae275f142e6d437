"""Filters of any length from a small MLP (Poli et al. 2023, section 3.3).

The MLP maps the delay between two tokens to the weights of all channels at that delay, so that
the number of weights does not depend on the length of the filter.

Time axis: with T taps (``filter_length``, a property of the trained weights), delay i stands at
time i / (T - 1) and at phase 2 pi i / T, whatever the length of the input. A shorter input sees
the first taps of the same filter. A longer one sees these T taps too; what lies beyond is decided
by ``filter_beyond``. Neither time nor phase is a weight: they are computed once per forward pass
for all layers, and a checkpoint holds none of them.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.hyena import HyenaArchitecture

_FIRST_FREQUENCY = 1e-4


class ImplicitFilter(nn.Module):
    """The filters of one layer.

    Attributes
    ----------
    skip
        What each channel adds of its own token, at delay 0; (channels,).
    frequency
        Frequencies of the sines, the same in all layers of the MLP; (filter width,).
    """

    def __init__(self, architecture: HyenaArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.directions = 2 if architecture.bidirectional else 1
        inner = architecture.filter_width
        sizes = [architecture.filter_features] + [inner] * architecture.filter_layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(inner, architecture.width * self.directions, bias=False)
        self.frequency = nn.Parameter(torch.full((inner,), architecture.filter_frequency))
        self.skip = nn.Parameter(torch.randn(architecture.width))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the taps for earlier and, if the model is bidirectional, for later tokens.

        Parameters
        ----------
        features
            Those of the delays from 0 on (:func:`delay_features`); (taps, features).

        Returns
        -------
        tuple
            Each (channels, taps), in the precision of ``features``. The skip connection is part
            of the first tap.
        """
        dtype = features.dtype
        with torch.autocast(features.device.type, enabled=False):
            hidden = features
            for layer in self.hidden:
                assert isinstance(layer, nn.Linear)
                hidden = functional.linear(hidden, layer.weight.to(dtype), layer.bias.to(dtype))
                hidden = torch.sin(self.frequency.to(dtype) * hidden)
            # (directions, channels, taps)
            taps = self.output.weight.to(dtype) @ hidden.mT
            taps = taps.reshape(self.directions, -1, len(features))
            taps = taps * self._decay(features[:, 0])
            own = functional.pad(self.skip.to(dtype)[:, None], (0, len(features) - 1))
            earlier = taps[0] + own
        return earlier, taps[1] if self.directions == 2 else None

    def _decay(self, time: Tensor) -> Tensor:
        """Return the exponential decay of each channel, and the shift; (channels, taps)."""
        rates = decay_rates(self.architecture).to(time)
        return torch.exp(-rates[:, None] * time) + self.architecture.filter_shift


def decay_rates(architecture: HyenaArchitecture) -> Tensor:
    """Return how fast the filter of each channel decays, slowest first; (channels,), float64."""
    exponent = -math.log(architecture.filter_decay_target)
    slow, fast = (
        exponent / share
        for share in (architecture.filter_decay_slow, architecture.filter_decay_fast)
    )
    return torch.linspace(slow, fast, architecture.width, dtype=torch.float64)


def delay_features(architecture: HyenaArchitecture, taps: int, like: Tensor) -> Tensor:
    """Return what the MLP is told about the delays 0, 1, ..., taps - 1.

    Time, then the cosines and the negative sines of the phase at frequencies between almost 0
    and the number of waves less 1. In float32 even if the model is in half precision.

    Parameters
    ----------
    like
        A tensor on the device and of the precision of the model.

    Returns
    -------
    Tensor
        (taps, filter_features).
    """
    waves = (architecture.filter_features - 1) // 2
    # Computed in double precision: a delay of a million, times 2 pi, has few digits left in float32
    kind = {"dtype": torch.float64, "device": like.device}
    delays = torch.arange(taps, **kind)[:, None]  # type: ignore[call-overload]
    frequencies = torch.linspace(_FIRST_FREQUENCY, waves - 1, waves, **kind)  # type: ignore[call-overload]
    time = delays / (architecture.taps - 1)
    angles = delays * (2 * math.pi / architecture.taps) * frequencies
    features = torch.cat([time, angles.cos(), -angles.sin()], dim=1)
    return features.to(torch.float64 if like.dtype == torch.float64 else torch.float32)


def used_taps(architecture: HyenaArchitecture, length: int) -> int:
    """Return how many taps an input of some length makes use of."""
    if architecture.filter_beyond == "extend":
        return length
    return min(length, architecture.taps)


def filter_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the MLPs that make filters, which are trained without weight decay."""
    return [
        parameter
        for module in model.modules()
        if isinstance(module, ImplicitFilter)
        for name, parameter in module.named_parameters()
        if name != "skip"
    ]
