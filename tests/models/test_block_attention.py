"""Attention to blocks of keys, forward and backward."""

import math

import pytest
import torch
from torch import Tensor

from pipeline_lib.models.block_attention import AT_ONCE, block_attention

SEQUENCES, ROWS, BLOCKS, SIZE, WIDTH, SEEN = 3, AT_ONCE + 3, 14, 4, 6, 3


def parts() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    query = torch.randn(SEQUENCES, ROWS, SIZE, WIDTH, dtype=torch.float64, requires_grad=True)
    key, value = (
        torch.randn(SEQUENCES, BLOCKS, SIZE, WIDTH, dtype=torch.float64, requires_grad=True)
        for _ in range(2)
    )
    # The same block twice in a row counts twice.
    table = torch.randint(0, BLOCKS, (SEQUENCES, ROWS, SEEN))
    seen = torch.rand(SEQUENCES, ROWS, SEEN * SIZE) < 0.8
    seen[..., 0], seen[1] = True, True
    return query, key, value, table, seen


def plain(query: Tensor, key: Tensor, value: Tensor, table: Tensor, seen: Tensor) -> Tensor:
    sequence = torch.arange(SEQUENCES)[:, None, None]
    keys, values = (part[sequence, table].flatten(2, 3) for part in (key, value))
    scores = query @ keys.transpose(2, 3) / math.sqrt(WIDTH)
    return scores.masked_fill(~seen[:, :, None], -math.inf).softmax(dim=-1) @ values


def test_it_equals_attention_to_the_gathered_keys() -> None:
    given = parts()
    found, expected = block_attention(*given), plain(*given)
    assert torch.allclose(found, expected, atol=1e-12)
    weights = torch.randn(found.shape, dtype=torch.float64)
    slopes = [torch.autograd.grad(out, given[:3], weights) for out in (found, expected)]
    for mine, other in zip(*slopes, strict=True):
        assert torch.allclose(mine, other, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_are_those_of_small_differences(dropout: float) -> None:
    query, key, value, table, seen = parts()
    direction = torch.randn(query.shape, dtype=torch.float64)

    def loss(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        torch.manual_seed(5)  # the same weights are dropped
        return (block_attention(query, key, value, table, seen, dropout) * direction).sum()

    found = torch.autograd.grad(loss(query, key, value), (query, key, value))
    for place, slope in enumerate(found):
        step = torch.randn(slope.shape, dtype=torch.float64)
        ends = []
        for sign in (1e-6, -1e-6):
            moved = [query, key, value]
            moved[place] = moved[place] + sign * step
            ends.append(loss(*moved).detach())
        difference = float((ends[0] - ends[1]) / 2e-6)
        assert float((slope * step).sum()) == pytest.approx(difference, rel=1e-6)


def test_dropout_drops_and_keeps_the_mean() -> None:
    given = parts()
    expected = block_attention(*given).detach()
    torch.manual_seed(1)
    drawn = torch.stack([block_attention(*given, 0.3).detach() for _ in range(1_000)])
    assert not torch.allclose(drawn[0], drawn[1])
    error = (drawn.mean(dim=0) - expected).abs() / (drawn.std(dim=0) / math.sqrt(1_000))
    assert error.max() < 6
