"""Long convolutions: equal to sums over all pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.models.long_convolution import OnlineConvolution, convolve, fft_length


def direct(
    values: torch.Tensor, kernel: torch.Tensor, after: torch.Tensor | None = None
) -> torch.Tensor:
    """Sum over all pairs of tokens."""
    length = values.shape[-1]
    result = torch.zeros_like(values)
    for t in range(length):
        for s in range(length):
            if 0 <= t - s < kernel.shape[-1]:
                result[..., t] += kernel[:, t - s, None] * values[..., s]
            if after is not None and 0 < s - t < after.shape[-1]:
                result[..., t] += after[:, s - t, None] * values[..., s]
    return result


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 30), taps=st.integers(1, 40), batch=st.integers(1, 3), both=st.booleans()
)
def test_equal_to_the_sum_over_all_pairs(length: int, taps: int, batch: int, both: bool) -> None:
    values = torch.randn(2, batch, length, dtype=torch.float64)
    kernel = torch.randn(2, taps, dtype=torch.float64)
    after = torch.randn(2, taps, dtype=torch.float64) if both else None
    expected = direct(values, kernel, after)
    assert torch.allclose(convolve(values, kernel, after), expected, atol=1e-12)


@pytest.mark.parametrize("both", [False, True])
def test_gradients(both: bool) -> None:
    values = torch.randn(3, 2, 7, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    after = torch.randn(3, 5, dtype=torch.float64, requires_grad=True) if both else None
    assert torch.autograd.gradcheck(convolve, (values, kernel, after))


def test_half_precision_is_summed_in_single_precision() -> None:
    values, kernel = torch.randn(4, 2, 500), torch.randn(4, 500) / 20
    coarse = values.bfloat16()
    result = convolve(coarse, kernel)
    assert result.dtype == torch.bfloat16
    # The only error is that of rounding the result.
    assert torch.equal(result, convolve(coarse.float(), kernel).bfloat16())


@given(st.integers(1, 3_000_000))
def test_the_length_of_the_fft_is_even_and_hardly_longer_than_needed(least: int) -> None:
    length = fft_length(least)
    assert length % 2 == 0
    assert least <= length <= max(2, least * 1.25 + 1)


def test_twice_the_length_is_enough_and_a_power_of_two_stays_one() -> None:
    assert fft_length(2 * 1024 - 1) == 2048
    assert fft_length(2 * 1_000_000 - 1) <= 2_000_000 * 1.05


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 150), past=st.integers(0, 20), taps=st.integers(1, 200))
def test_one_by_one_is_equal_to_all_at_once(steps: int, past: int, taps: int) -> None:
    values = torch.randn(3, 2, past + steps, dtype=torch.float64)
    kernel = torch.randn(3, taps, dtype=torch.float64)
    known = values.clone()
    known[..., past:] = 0
    online = OnlineConvolution(kernel, convolve(known, kernel)[..., past:])
    result = torch.stack([online.step(values[..., past + i]) for i in range(steps)], dim=-1)
    assert torch.allclose(result, convolve(values, kernel)[..., past:], atol=1e-11)
