"""Convolutions as long as the sequence, by FFT.

All arithmetic is in float32, or in float64 for inputs in float64: half precision is too coarse
for a sum over a million tokens, and FFTs in bfloat16 do not exist on most devices. The FFT is just
long enough for the result not to wrap around (:func:`fft_length`).
"""

from functools import cache

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
    length, kind = values.shape[-1], precision(values)
    size = fft_length(length + min(length, kernel.shape[-1]) - 1)
    taps = circle(kernel, after, length, size).to(kind)
    # The scale of the inverse FFT is applied to the kernel, the smaller of the two.
    spectra = torch.fft.rfft(taps, n=size, norm="forward")[:, None]
    spectrum = torch.fft.rfft(values.to(kind), n=size)  # (channels, batch, frequencies)
    return filtered(spectrum, spectra, size)[..., :length].to(values.dtype)


def circle(kernel: Tensor, after: Tensor | None, length: int, size: int) -> Tensor:
    """Return taps as they lie on a circle of ``size`` places; (channels, ``size`` or fewer).

    Negative delays stand at the end of the circle: the FFT is no longer for them.

    Parameters
    ----------
    kernel, after
        As in :func:`convolve`.
    length
        That of the input, beyond which taps have nothing to meet.
    """
    kernel = kernel[:, :length]
    if after is None:
        return kernel
    ahead = after[:, 1:length].flip(-1)
    between = kernel.new_zeros(len(kernel), size - kernel.shape[-1] - ahead.shape[-1])
    return torch.cat([kernel, between, ahead], dim=-1)


def filtered(spectrum: Tensor, factors: Tensor, size: int) -> Tensor:
    """Return the inverse FFT of a spectrum, which is changed, times factors."""
    result: Tensor = torch.fft.irfft(spectrum.mul_(factors), n=size, norm="forward")
    return result


def precision(values: Tensor) -> torch.dtype:
    """Return the type in which long sums over some values are taken."""
    return torch.float64 if values.dtype == torch.float64 else torch.float32


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
