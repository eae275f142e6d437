"""Between the matrix products of a Hyena operator: short filter, gate, long filter, gate.

Each of these steps reads and writes all channels, and would wait for the memory. Channels do not
meet here, so they are taken a few at a time, so few that every step finds them in the cache
(:func:`channels_at_once`). The backward pass computes the cheap steps again rather than keep their
results: kept are the input, the output of the long filter, and the spectra of the filters.

Spectra of filters are computed once in a forward pass, whatever the number of sequences in it.
They are not kept for the next one, though gradient accumulation would allow it: with many tokens
in a pass they cost little, and a cache that missed a change of the weights would be silently wrong.

`torch.compile` leaves this part as it is: compilers fuse none of the FFTs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline_lib.models.long_convolution import circle, fft_length, filtered, precision

_CACHE = 1 << 18
"""Most numbers of a projection at once on a CPU: with what becomes of them, they fit its cache."""
_ROWS = 32
"""Fewest rows in an FFT on a CPU, which takes as long to prepare as to do for some rows."""
_DEVICE = 1 << 28
"""As the first, on a GPU, where many numbers are best, but spectra must fit into memory."""


class Short(NamedTuple):
    """The short filters of all projections.

    Attributes
    ----------
    weight
        (3 width, 1, taps).
    bias
        (3 width,).
    ahead
        How many of the taps, the last ones, are for later tokens.
    """

    weight: Tensor
    bias: Tensor
    ahead: int


def mix(
    projected: Tensor,
    short: Short,
    kernel: Tensor,
    after: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Apply the core of a Hyena operator of order 2 (Poli et al. 2023, definition 3.1).

    Parameters
    ----------
    projected
        Outer gate, inner gate and value, one after another; (3 width, batch, length).
    short
        Their short filters.
    kernel, after
        Taps of the long filters for earlier and for later tokens, as in
        :func:`~pipeline_lib.models.long_convolution.convolve`; each (width, taps).
    mask
        True where there is a token, None if everywhere; (batch, length). Nothing else is seen.

    Returns
    -------
    Tensor
        Outer gate times the long filter's output for inner gate times value; (width, batch,
        length), of the kind of ``projected``. Computed in float32, or in float64 for float64.
    """
    if torch.compiler.is_compiling():  # the pieces are of this machine: no graph holds them
        return torch.compiler.disable(_mix)(projected, short, kernel, after, mask)  # type: ignore[no-any-return, no-untyped-call]
    return _mix(projected, short, kernel, after, mask)


def _mix(
    projected: Tensor, short: Short, kernel: Tensor, after: Tensor | None, mask: Tensor | None
) -> Tensor:
    length = projected.shape[-1]
    size = fft_length(length + min(length, kernel.shape[-1]) - 1)
    kernel = circle(kernel, after, length, size)
    keep = torch.is_grad_enabled()  # inside `forward`, it never is
    result: Tensor = _Mix.apply(projected, *short, kernel, mask, size, keep)  # type: ignore[no-untyped-call]
    return result


def channels_at_once(
    channels: int, batch: int, length: int, device: torch.device
) -> tuple[int, int]:
    """Return how many channels are taken at once in all steps, and how many in the FFT."""
    if device.type != "cpu":
        both = max(1, min(channels, _DEVICE // (batch * length)))
        return both, both
    piece = max(1, min(channels, _CACHE // (batch * length)))
    pieces = max(1, -(-_ROWS // (piece * batch)))
    return piece, min(channels, piece * pieces)


class _Mix(torch.autograd.Function):
    """Forward and backward pass of :func:`mix`; ``kernel`` is laid out by :func:`circle`."""

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        weight: Tensor,
        bias: Tensor,
        ahead: int,
        kernel: Tensor,
        mask: Tensor | None,
        size: int,
        keep: bool,
    ) -> Tensor:
        core = _Core(projected, weight, bias, ahead, mask, size)
        # The scale of the inverse FFT is applied to the kernel, the smallest of the three.
        spectra = torch.fft.rfft(kernel.to(core.kind), n=size, norm="forward")[:, None]
        gathered = projected.new_empty(core.width, *projected.shape[1:])
        mixed = torch.empty_like(gathered) if keep else None
        for block in core.blocks():
            spectrum = torch.fft.rfft(core.gated(block))
            through = filtered(spectrum, spectra[block.channels], size)[..., : core.length]
            for some, place in block.pieces:
                if mixed is not None:
                    mixed[some] = through[place]
                gathered[some] = core.short[0, place].mul_(through[place])
        if keep:
            ctx.save_for_backward(projected, weight, bias, mask, mixed, spectra)
            ctx.settings = (ahead, size, kernel.shape[-1], kernel.dtype)
        return gathered

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        projected, weight, bias, mask, mixed, spectra = ctx.saved_tensors
        ahead, size, taps, kind = ctx.settings
        core = _Core(projected, weight, bias, ahead, mask, size)
        of_spectra, of_projected = torch.empty_like(spectra), torch.empty_like(projected)
        of_weight, of_bias = torch.empty_like(core.weight), torch.empty_like(core.bias)
        for block in core.blocks():
            gated = torch.fft.rfft(core.gated(block)).conj_physical_()
            for some, place in block.pieces:
                core.gate(gradient[some], core.short[0, place], place)
            of_mixed = torch.fft.rfft(core.padded[: len(gated)])
            _batch_product(gated, of_mixed, out=of_spectra[block.channels])
            conjugate = spectra[block.channels].conj_physical()
            of_gated = filtered(of_mixed, conjugate, size)[..., : core.length]
            for some, place in block.pieces:
                of_short = core.of_short(gradient[some], mixed[some], of_gated[place], place)
                torch.sum(of_short, dim=(-1, -2), out=of_bias[:, some])
                core.of_weight(of_short, some, out=of_weight[:, some])
                core.lengthen(of_short, some, out=core.parts(of_projected)[:, some])
        of_kernel = torch.fft.irfft(of_spectra[:, 0], n=size)[:, :taps].to(kind)
        of_weight, of_bias = of_weight.view_as(weight), of_bias.view_as(bias)
        short = of_weight.to(weight.dtype), of_bias.to(bias.dtype)
        return of_projected, *short, None, of_kernel, None, None, None


class _Block(NamedTuple):
    """Channels that pass the FFT together, as this has a price however few they are.

    Attributes
    ----------
    channels
        Which they are.
    pieces
        The same in smaller pieces for all else; each also counted from the block's first one.
    """

    channels: slice
    pieces: list[tuple[slice, slice]]


class _Core:
    """What both passes need: the steps before the long filter, and room for their results.

    Attributes
    ----------
    weight, bias
        Of the short filters; (3, width, taps) and (3, width).
    kind
        Type in which all is computed.
    short
        Outputs of the short filters in a block; (3, channels, batch, length).
    padded
        Inputs of the FFT in a block, 0 beyond the last token; (channels, batch, size).
    """

    def __init__(
        self,
        projected: Tensor,
        weight: Tensor,
        bias: Tensor,
        ahead: int,
        mask: Tensor | None,
        size: int,
    ) -> None:
        self.kind = precision(projected)
        self.projected, self.mask = projected, mask
        self.weight = weight.to(self.kind).view(3, -1, weight.shape[-1])
        self.bias = bias.to(self.kind).view(3, -1)
        self.width, (self.batch, self.length) = self.weight.shape[1], projected.shape[1:]
        own = weight.shape[-1] - 1 - ahead
        # How much later than a token those are that each tap is for.
        self._shifts = [tap - own for tap in range(weight.shape[-1])]
        piece, step = channels_at_once(self.width, self.batch, self.length, projected.device)
        self._piece, self._step = piece, step
        shape = (self.batch, self.length)
        self.short = projected.new_empty(3, step, *shape, dtype=self.kind)
        self.padded = projected.new_zeros(step, self.batch, size, dtype=self.kind)
        self._results = projected.new_empty(2, 3, piece, *shape, dtype=self.kind)

    def blocks(self) -> Iterator[_Block]:
        """Yield all channels, block by block."""
        for first in range(0, self.width, self._step):
            last = min(first + self._step, self.width)
            pieces = []
            for start in range(first, last, self._piece):
                end = min(start + self._piece, last)
                pieces.append((slice(start, end), slice(start - first, end - first)))
            yield _Block(slice(first, last), pieces)

    def parts(self, projected: Tensor) -> Tensor:
        """Return the three projections of each channel; (3, width, batch, length)."""
        return projected.view(3, self.width, *projected.shape[1:])

    def gated(self, block: _Block) -> Tensor:
        """Return inner gate times value, padded, of a block; fill ``short``."""
        for some, place in block.pieces:
            _, inner, value = self._shorten(some, self.short[:, place])
            self.gate(inner, value, place, self.mask)
        return self.padded[: place.stop]

    def gate(self, first: Tensor, second: Tensor, place: slice, mask: Tensor | None = None) -> None:
        """Put a product where the FFT finds it."""
        product = self.padded[place, ..., : self.length]
        torch.mul(first, second, out=product)
        if mask is not None:
            product.mul_(mask)

    def of_short(
        self, of_gathered: Tensor, mixed: Tensor, of_gated: Tensor, place: slice
    ) -> Tensor:
        """Return the gradient of the short filters' outputs; (3, channels, batch, length)."""
        _, inner, value = self.short[:, place]
        if self.mask is not None:
            of_gated.mul_(self.mask)
        result = self._results[0, :, : len(mixed)]
        torch.mul(of_gathered, mixed, out=result[0])
        torch.mul(value, of_gated, out=result[1])
        torch.mul(inner, of_gated, out=result[2])
        return result

    def of_weight(self, of_short: Tensor, some: slice, out: Tensor) -> None:
        """Compute the gradient of the short filters; (3, channels, taps)."""
        inputs, products = self._inputs(some), self._results[1, :, : of_short.shape[1]]
        for tap, shift in enumerate(self._shifts):
            if abs(shift) >= self.length:
                out[..., tap] = 0
                continue
            product = _here(products, shift)
            torch.mul(_here(of_short, shift), _here(inputs, -shift), out=product)
            out[..., tap] = product.sum(dim=(-1, -2))

    def lengthen(self, of_short: Tensor, some: slice, out: Tensor) -> None:
        """Compute the gradient of the short filters' inputs; (3, channels, batch, length)."""
        weight = self.weight[:, some, :, None, None]
        result = out if out.dtype == self.kind else self._results[1, :, : of_short.shape[1]]
        torch.mul(of_short, weight[:, :, self._shifts.index(0)], out=result)
        for tap, shift in self._neighbours():
            _here(result, -shift).addcmul_(_here(of_short, shift), weight[:, :, tap])
        if self.mask is not None:
            result.mul_(self.mask)
        if result is not out:
            out.copy_(result)

    def _shorten(self, some: slice, result: Tensor) -> Tensor:
        """Apply the short filters; (3, channels, batch, length)."""
        inputs, weight = self._inputs(some), self.weight[:, some, :, None, None]
        torch.mul(inputs, weight[:, :, self._shifts.index(0)], out=result)
        result.add_(self.bias[:, some, None, None])
        for tap, shift in self._neighbours():
            _here(result, shift).addcmul_(_here(inputs, -shift), weight[:, :, tap])
        return result

    def _inputs(self, some: slice) -> Tensor:
        """Return the projections, 0 at padding; (3, channels, batch, length)."""
        inputs = self.parts(self.projected)[:, some].to(self.kind)
        return inputs if self.mask is None else inputs * self.mask

    def _neighbours(self) -> list[tuple[int, int]]:
        pairs = enumerate(self._shifts)
        return [(tap, shift) for tap, shift in pairs if shift and abs(shift) < self.length]


def _batch_product(first: Tensor, second: Tensor, out: Tensor) -> None:
    """Sum products over the batch, before the inverse FFT: there is one, not `batch`."""
    if out.shape == first.shape:
        torch.mul(first, second, out=out)
    else:
        torch.sum(first.mul_(second), dim=1, keepdim=True, out=out)


def _here(values: Tensor, shift: int) -> Tensor:
    """Return the tokens that have another one ``shift`` places later."""
    return values[..., max(0, -shift) : values.shape[-1] - max(0, shift)]
