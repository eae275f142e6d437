"""Convolutions as long as the sequence, by FFT.

All arithmetic is in float32, or in float64 for inputs in float64: half precision is too coarse
for a sum over a million tokens, and FFTs in bfloat16 do not exist on most devices. The FFT is just
long enough for the result not to wrap around (:func:`fft_length`), and the spectra of the inputs,
twice as large as the inputs, are computed again in the backward pass rather than kept.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# FFTs of these lengths, times powers of two, are fast on every device.
_ODD_PARTS = (1, 3, 5, 7, 9, 15)
_LONGEST_PRODUCT = 32
"""Blocks up to this length are multiplied by a matrix, longer ones by FFT."""


def convolve(values: Tensor, kernel: Tensor, after: Tensor | None = None) -> Tensor:
    """Convolve each channel with a filter of its own.

    Output t is the sum over delays i of ``kernel[i] * values[t - i]``, and of
    ``after[i] * values[t + i]`` for i > 0.

    Parameters
    ----------
    values
        Inputs; (channels, batch, length), float32, float64 or a half precision.
    kernel
        Taps for this and earlier tokens, from delay 0 on; (channels, taps).
    after
        Taps for later tokens, of which the first, for delay 0, is left out; (channels, taps).
        None for a causal convolution.

    Returns
    -------
    Tensor
        Of the shape and kind of ``values``.
    """
    length = values.shape[-1]
    kernel = kernel[:, :length]
    size = fft_length(length + kernel.shape[-1] - 1)
    if after is not None:
        # Negative delays stand at the end of a circle of `size` places: the FFT is no longer.
        ahead = after[:, 1:length].flip(-1)
        between = kernel.new_zeros(len(kernel), size - kernel.shape[-1] - ahead.shape[-1])
        kernel = torch.cat([kernel, between, ahead], dim=-1)
    result: Tensor = _Convolution.apply(values, kernel, size)  # type: ignore[no-untyped-call]
    return result


@cache
def fft_length(least: int) -> int:
    """Return the smallest length, ``least`` or more, for which FFTs are fast."""
    lengths = []
    for odd in _ODD_PARTS:
        length = 2 * odd
        while length < least:
            length *= 2
        lengths.append(length)
    return min(lengths)


class _Convolution(torch.autograd.Function):
    """Circular convolution of ``size`` places, cropped to the length of the input."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kernel: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(values, kernel)
        ctx.size = size
        dtype = _precision(values)
        # The scale of the inverse FFT is applied to the kernel, the smallest of the three.
        factors = torch.fft.rfft(kernel.to(dtype), n=size, norm="forward")[:, None]
        return _through(values, factors, size)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, kernel = ctx.saved_tensors
        size, dtype = ctx.size, _precision(values)
        of_values = of_kernel = None
        spectrum = torch.fft.rfft(gradient.to(dtype), n=size)  # (channels, batch, frequencies)
        if ctx.needs_input_grad[1]:
            products = torch.fft.rfft(values.to(dtype), n=size).conj().resolve_conj()
            summed = products.mul_(spectrum).sum(dim=1)  # before the inverse FFT: one, not `batch`
            of_kernel = torch.fft.irfft(summed, n=size)[:, : kernel.shape[-1]].to(kernel.dtype)
        if ctx.needs_input_grad[0]:
            factors = torch.fft.rfft(kernel.to(dtype), n=size, norm="forward").conj()[:, None]
            result = torch.fft.irfft(spectrum.mul_(factors), n=size, norm="forward")
            of_values = result[..., : values.shape[-1]].to(values.dtype)
        return of_values, of_kernel, None


def _through(values: Tensor, factors: Tensor, size: int) -> Tensor:
    """Return the inverse FFT of ``factors`` times the spectrum of ``values``."""
    spectrum = torch.fft.rfft(values.to(_precision(values)), n=size)
    result: Tensor = torch.fft.irfft(spectrum.mul_(factors), n=size, norm="forward")
    return result[..., : values.shape[-1]].to(values.dtype)


def _precision(values: Tensor) -> torch.dtype:
    return torch.float64 if values.dtype == torch.float64 else torch.float32


class OnlineConvolution:
    """A causal long convolution of which the inputs come one at a time.

    Every output needs all inputs before it, and yet each pair of them is met exactly once.
    Whenever i inputs are there, the last u of them, u the largest power of two that divides i, add
    their share to the u outputs to come (relaxed multiplication, van der Hoeven 2002; Oncescu et
    al. 2024 for Hyena). Most blocks are short: n outputs take n log(n)^2 operations.

    Parameters
    ----------
    taps
        (channels, taps).
    pending
        What the tokens before the first one add to the outputs; (channels, batch, steps).
    """

    def __init__(self, taps: Tensor, pending: Tensor) -> None:
        self.steps = pending.shape[-1]
        # Blocks double in length: the last one may look twice as far as there are steps.
        self.taps = functional.pad(taps, (0, max(0, 2 * self.steps - taps.shape[-1])))
        self.pending = pending.clone()
        self.inputs = torch.zeros_like(pending)
        self.done = 0
        self._prepared: dict[int, Tensor] = {}

    def step(self, value: Tensor) -> Tensor:
        """Take the next input, and return its output; both (channels, batch)."""
        place = self.done
        result = self.pending[..., place] + self.taps[:, :1] * value
        self.inputs[..., place] = value
        self.done += 1
        if self.done < self.steps:
            self._contribute(self.done & -self.done)
        return result

    def _contribute(self, size: int) -> None:
        """Add the share of the last ``size`` inputs to the ``size`` outputs to come."""
        block = self.inputs[..., self.done - size : self.done]  # (channels, batch, size)
        if size <= _LONGEST_PRODUCT:
            shares = block @ self._matrix(size)
        else:
            product = torch.fft.rfft(block, n=2 * size) * self._spectrum(size)
            shares = torch.fft.irfft(product, n=2 * size)[..., size:]
        coming = self.pending[..., self.done : self.done + size]
        coming += shares[..., : coming.shape[-1]]

    def _matrix(self, size: int) -> Tensor:
        """Return the tap between each input and each output; (channels, inputs, outputs)."""
        if size not in self._prepared:
            places = torch.arange(size, device=self.taps.device)
            self._prepared[size] = self.taps[:, size + places - places[:, None]]
        return self._prepared[size]

    def _spectrum(self, size: int) -> Tensor:
        """Return the spectrum of the taps that lie between two blocks of a length."""
        if size not in self._prepared:
            self._prepared[size] = torch.fft.rfft(self.taps[:, None, : 2 * size], n=2 * size)
        return self._prepared[size]
