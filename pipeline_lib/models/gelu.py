"""GELU in its tanh approximation, which PyTorch computes slowly on CPUs."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_CUBIC = 0.044715
_SCALE = 2 * math.sqrt(2 / math.pi)
_CACHE = 1 << 16
"""Numbers that are taken at once: all steps find them in the cache."""


def gelu(values: Tensor) -> Tensor:
    """Return GELU(x), approximated by x sigmoid(sqrt(8 / pi) (x + 0.044715 x^3)).

    This is the approximation by tanh (Hendrycks and Gimpel 2016), written with a sigmoid. On CPUs,
    the slope is computed together with the value, for both need the sigmoid, and is what is kept
    for the backward pass. Elsewhere, and in compiled code, PyTorch's own is used.
    """
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return functional.gelu(values, approximate="tanh")
    result: Tensor = _Gelu.apply(values, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
    return result


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, keep: bool) -> Tensor:
        kind = torch.promote_types(values.dtype, torch.float32)
        values = values.contiguous()
        result = torch.empty_like(values)
        slopes = torch.empty_like(values) if keep else None
        inputs, outputs = values.view(-1), result.view(-1)
        for first in range(0, values.numel(), _CACHE):
            some = slice(first, first + _CACHE)
            x = inputs[some].to(kind)
            square = x * x
            share = square.mul(_SCALE * _CUBIC).add_(_SCALE).mul_(x).sigmoid_()
            value = x * share
            outputs[some] = value
            if slopes is not None:
                # d/dx x s(u) = s + (x s) (1 - s) u', with u' = scale (1 + 3 cubic x^2)
                rest = square.mul_(3 * _SCALE * _CUBIC).add_(_SCALE).mul_(value)
                slopes.view(-1)[some] = rest.addcmul_(rest, share, value=-1).add_(share)
        if keep:
            ctx.save_for_backward(slopes)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slopes,) = ctx.saved_tensors
        return gradient * slopes, None
