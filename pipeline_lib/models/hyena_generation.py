"""Sequences written by a causal HyenaDNA, token by token.

The prompt is read in one pass, whose long convolutions also give the prompt's share in all outputs
to come; it is never read again. After that, each layer keeps the last inputs of its short
convolution, and its long convolution goes on token by token, in blocks that double in length
(:class:`~pipeline_lib.models.long_convolution.OnlineConvolution`): n tokens after a prompt of p
take (p + n) log(p + n) + n log(n)^2 operations in all. The result is that of the full computation.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena import Hyena, HyenaOperator, Layer, normalize
from pipeline_lib.models.hyena_filter import delay_features, used_taps
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.long_convolution import OnlineConvolution, convolve
from pipeline_lib.models.sampling import Chances, Sampling, choose


def generate(
    model: HyenaLanguageModel,
    prompt: Tensor,
    count: int,
    *,
    sampling: Sampling | None = None,
    generator: torch.Generator | Chances | None = None,
) -> Tensor:
    """Continue sequences.

    Parameters
    ----------
    model
        A causal model.
    prompt
        Ids, at least one per sequence; (batch, length).
    count
        Number of tokens to add to each sequence.
    sampling
        How tokens are chosen; by default drawn as the model predicts them.
    generator
        Source of chance, seeded by the caller; of all sequences, or of each its own.

    Returns
    -------
    Tensor
        The new tokens; (batch, count).

    Raises
    ------
    InputError
        If the model sees both sides of a token, or the prompt is empty.
    """
    sampling = sampling or Sampling()
    encoder = model.encoder
    if not isinstance(encoder, Hyena) or encoder.architecture.bidirectional:
        raise InputError(
            "this model sees both sides of a token and cannot write from left to right",
            remedy="generate with a model trained without `bidirectional`",
        )
    if prompt.ndim != 2 or not prompt.shape[1]:
        raise InputError(
            f"the prompt has the shape {tuple(prompt.shape)}",
            expected="(batch, length) with at least one token in each sequence",
            remedy="start with a special token or some bases",
        )
    if count < 1:
        return prompt[:, :0]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _continue(model, encoder, prompt, count, sampling, generator)
    finally:
        model.train(training)


class _OnlineLayer:
    """A layer that has read the prompt and takes one token at a time."""

    def __init__(self, layer: Layer, features: Tensor, hidden: Tensor, steps: int) -> None:
        self.layer = layer
        operator, length = layer.operator, hidden.shape[1]
        projected = operator.projections(normalize(layer.operator_norm, hidden))
        before = operator.short.kernel_size[0] - 1
        self.window = functional.pad(projected, (before, 0))[..., length:]
        outer, inner, value = _shorten(operator, projected).chunk(3)
        taps, _ = operator.filter(features)
        gated = functional.pad((inner * value).to(taps.dtype), (0, steps))
        outputs = convolve(gated, taps)  # of the prompt, and its share in what comes after it
        self.convolution = OnlineConvolution(taps, outputs[..., length:])
        mixed = operator.leave(outer * outputs[..., :length].to(outer.dtype))
        self.prompt = layer.feed(hidden + mixed)

    def step(self, hidden: Tensor) -> Tensor:
        """Return the next hidden vector of each sequence; (batch, 1, width)."""
        operator = self.layer.operator
        projected = operator.projections(normalize(self.layer.operator_norm, hidden))
        seen = torch.cat([self.window, projected], dim=-1)  # (3 width, batch, short taps)
        self.window = seen[..., 1:]
        short = (seen * operator.short.weight).sum(dim=-1) + _column(operator.short.bias)
        outer, inner, value = short.chunk(3)
        mixed = self.convolution.step((inner * value).to(self.convolution.taps.dtype))
        return self.layer.feed(hidden + operator.leave((outer * mixed.to(outer.dtype))[..., None]))


def _shorten(operator: HyenaOperator, projected: Tensor) -> Tensor:
    """Apply the short convolution to a whole prompt; (3 width, batch, length)."""
    taps = operator.short.weight[:, :, None]
    # The batch is a second axis of the image, along which the kernel has one tap.
    padded = functional.pad(projected, (taps.shape[-1] - 1, 0))
    return functional.conv2d(padded[None], taps, operator.short.bias, groups=len(projected))[0]


def _continue(
    model: HyenaLanguageModel,
    encoder: Hyena,
    prompt: Tensor,
    count: int,
    sampling: Sampling,
    generator: torch.Generator | Chances | None,
) -> Tensor:
    steps = count - 1
    used = used_taps(encoder.architecture, prompt.shape[1] + steps)
    features = delay_features(encoder.architecture, used, like=encoder.tokens.weight)
    hidden = encoder.tokens(prompt).to(features.dtype)
    layers = []
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        layers.append(_OnlineLayer(layer, features, hidden, steps))
        hidden = layers[-1].prompt
    chosen = [choose(_logits(model, encoder, hidden), sampling, generator)]
    for _ in range(steps):
        hidden = _through(layers, encoder.tokens(chosen[-1])[:, None].to(features.dtype))
        chosen.append(choose(_logits(model, encoder, hidden), sampling, generator))
    return torch.stack(chosen, dim=1)


def _through(layers: Iterable[_OnlineLayer], hidden: Tensor) -> Tensor:
    for layer in layers:
        hidden = layer.step(hidden)
    return hidden


def _logits(model: HyenaLanguageModel, encoder: Hyena, hidden: Tensor) -> Tensor:
    return model.scores(normalize(encoder.final_norm, hidden[:, -1]))


def _column(bias: Tensor | None) -> Tensor:
    assert bias is not None
    return bias[:, None]
