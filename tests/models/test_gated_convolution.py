"""The core of a Hyena operator, block by block: equal to its steps one after another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipeline_lib.models import gated_convolution
from pipeline_lib.models.gated_convolution import Short, channels_at_once, mix
from pipeline_lib.models.long_convolution import convolve

Inputs = tuple[torch.Tensor, Short, torch.Tensor, torch.Tensor | None, torch.Tensor | None]


def step_by_step(
    projected: torch.Tensor,
    short: Short,
    kernel: torch.Tensor,
    after: torch.Tensor | None,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Compute the same with convolutions of PyTorch and automatic gradients."""
    known = projected if mask is None else projected * mask
    before = short.weight.shape[-1] - 1 - short.ahead
    padded = functional.pad(known, (before, short.ahead)).transpose(0, 1)
    shortened = functional.conv1d(padded, short.weight, short.bias, groups=len(projected))
    outer, inner, value = shortened.transpose(0, 1).chunk(3)
    gated = inner * value if mask is None else inner * value * mask
    return outer * convolve(gated, kernel, after)


def inputs(
    width: int, batch: int, length: int, *, taps: int, short: int, both: bool, padded: bool
) -> Inputs:
    """Return random inputs, of which all but the mask want gradients."""

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, requires_grad=True)

    filters = Short(random(3 * width, 1, short), random(3 * width), (short - 1) // 2 * both)
    mask = torch.rand(batch, length) < 0.7 if padded else None
    after = random(width, taps) if both else None
    return random(3 * width, batch, length), filters, random(width, taps), after, mask


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 5), batch=st.integers(1, 3), length=st.integers(1, 12),
    taps=st.integers(1, 14), short=st.integers(1, 4), both=st.booleans(), padded=st.booleans(),
    cache=st.sampled_from([1, 24, 1 << 18]), rows=st.sampled_from([1, 4, 32]),
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_the_steps(
    width: int, batch: int, length: int, taps: int, short: int, both: bool, padded: bool,
    cache: int, rows: int,
) -> None:  # fmt: skip
    given = inputs(width, batch, length, taps=taps, short=short, both=both, padded=padded)
    wanted = [given[0], given[1].weight, given[1].bias, given[2], *([given[3]] if both else [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gated_convolution, "_CACHE", cache)
        patch.setattr(gated_convolution, "_ROWS", rows)
        found = mix(*given)
        slope = torch.randn_like(found)
        gradients = torch.autograd.grad(found, wanted, slope)
    expected = step_by_step(*given)
    assert torch.allclose(found, expected, atol=1e-10)
    for mine, theirs in zip(
        gradients, torch.autograd.grad(expected, wanted, slope, allow_unused=True), strict=True
    ):
        assert torch.allclose(mine, torch.zeros_like(mine) if theirs is None else theirs, atol=1e-9)


def test_nothing_is_kept_without_gradients() -> None:
    given = inputs(3, 2, 10, taps=10, short=3, both=False, padded=False)
    with torch.no_grad():
        quick = mix(*given)
    assert quick.grad_fn is None
    assert torch.equal(quick, mix(*given))


def test_half_precision_is_summed_in_single_precision() -> None:
    projected, short, kernel, _, _ = inputs(4, 2, 300, taps=300, short=3, both=False, padded=False)
    coarse = projected.detach().bfloat16().requires_grad_()
    single = Short(short.weight.float().detach(), short.bias.float().detach(), 0)
    taps = kernel.float().detach() / 20
    found, exact = mix(coarse, single, taps), mix(coarse.float(), single, taps)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, exact.bfloat16())  # the only error is that of rounding the result
    found.sum().backward()
    assert coarse.grad is not None and coarse.grad.dtype == torch.bfloat16


@given(channels=st.integers(1, 512), batch=st.integers(1, 64), length=st.integers(1, 1_000_000))
def test_blocks_are_within_bounds(channels: int, batch: int, length: int) -> None:
    piece, block = channels_at_once(channels, batch, length, torch.device("cpu"))
    assert 1 <= piece <= block <= channels
    assert piece == 1 or piece * batch * length <= 1 << 18
    assert block == channels or block * batch >= 32
