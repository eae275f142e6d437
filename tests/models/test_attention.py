"""Who sees whom: windows, blocks and the past, and what it costs."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline_lib.models import sparse_attention as sparse
from pipeline_lib.models.attention import causal_attention
from pipeline_lib.models.local_attention import local_attention, local_mask
from pipeline_lib.models.sparse_attention import NOTHING, Pattern, block_table, dense_bias
from tests.models.conftest import SPARSE

HEADS = SPARSE.heads


def vectors(length: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(3)
    query, key, value = torch.randn(3, batch, HEADS, length, 8)
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


@pytest.mark.parametrize("length", [1, 7, 12, 13, 16, 41])
@pytest.mark.parametrize("padded", [False, True])
def test_a_window_sees_what_its_mask_says(length: int, padded: bool) -> None:
    inputs = vectors(length)
    lengths = torch.tensor([[length], [max(1, length - 9)]])
    mask = (torch.arange(length) < lengths) if padded else None
    found = local_attention(*inputs, mask, 4)
    expected = functional.scaled_dot_product_attention(
        *inputs, attn_mask=local_mask(length, 4, mask, torch.device("cpu"))
    )
    assert torch.allclose(found, expected, atol=1e-6)
    slopes = torch.autograd.grad(found.square().sum(), inputs)
    for mine, other in zip(
        slopes, torch.autograd.grad(expected.square().sum(), inputs), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-5)


def test_a_window_reaches_half_its_width_to_either_side() -> None:
    query, key, value = vectors(40, batch=1)
    found = local_attention(query, key, value, None, 4)[0, 0, :, 0]
    for place in (0, 3, 17, 39):
        (slope,) = torch.autograd.grad(found[place], value, retain_graph=True)
        seen = slope[0, 0].abs().sum(dim=-1).nonzero().flatten().tolist()
        assert seen == list(range(max(0, place - 4), min(40, place + 5)))


@pytest.mark.parametrize("layout", ["per-head", "shared", "first"])
@pytest.mark.parametrize("place", ["ends", "start"])
@pytest.mark.parametrize("length", [44, 45, 48, 95])
def test_blocks_equal_full_attention_under_their_mask(layout: str, place: str, length: int) -> None:
    shape = SPARSE.model_copy(update={"random_layout": layout, "global_place": place})
    pattern, inputs = Pattern.of(shape), vectors(length)
    found = sparse.sparse_attention(*inputs, None, pattern, 1)
    bias = dense_bias(pattern, 1, length)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=bias)
    assert torch.allclose(found, expected, atol=1e-5)
    slopes = torch.autograd.grad(found.square().sum(), inputs)
    for mine, other in zip(
        slopes, torch.autograd.grad(expected.square().sum(), inputs), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-4)
    assert (bias == float("-inf")).any() == (length > 44)


def test_padding_inside_the_last_block_is_not_seen() -> None:
    pattern, inputs = Pattern.of(SPARSE), vectors(64)
    mask = torch.arange(64) < torch.tensor([[64], [61]])
    found = sparse.sparse_attention(*inputs, mask, pattern, 0)
    bias = dense_bias(pattern, 0, 64) + torch.zeros(2, 1, 1, 64).masked_fill(
        ~mask[:, None, None], float("-inf")
    )
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=bias)
    assert torch.allclose(found, expected, atol=1e-5)


def test_lots_are_seeded_and_fall_outside_windows() -> None:
    pattern = Pattern.of(SPARSE)
    table = block_table(pattern, 0, 20)
    assert table.shape == (HEADS, 18, 8)
    for head in table.tolist():
        for block, row in enumerate(head, start=1):
            kept = [other for other in row if other != NOTHING]
            assert len(set(kept)) == len(kept)
            assert {0, 19, block - 1, block, block + 1} <= set(kept)
            assert len(kept) - len({0, 19, block - 1, block, block + 1}) == 3
    again = Pattern.of(SPARSE.model_copy(update={"random_seed": 1}))
    assert not torch.equal(table, block_table(again, 0, 20))
    assert not torch.equal(table, block_table(pattern, 1, 20))
    assert not torch.equal(table[0], table[1])
    shared = Pattern.of(SPARSE.model_copy(update={"random_layout": "shared"}))
    assert block_table(shared, 0, 20).shape == (1, 18, 8)


class Counter(TorchDispatchMode):
    """Counts the numbers that operations write."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not func.is_view:
            self.written += result.numel()
        return result


@pytest.mark.parametrize("kind", ["sparse", "local"])
def test_cost_grows_with_the_length_and_not_its_square(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = 0
    attend = functional.scaled_dot_product_attention

    def counted(query: Tensor, key: Tensor, value: Tensor, **settings: object) -> Tensor:
        nonlocal pairs
        pairs += math.prod(query.shape[:-1]) * key.shape[-2]
        return attend(query, key, value, **settings)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    costs = []
    for length in (128, 256, 512):
        pairs, inputs = 0, torch.randn(3, 1, HEADS, length, 8)
        with Counter() as counter:
            if kind == "sparse":
                sparse.sparse_attention(*inputs, None, Pattern.of(SPARSE), 0)
            else:
                local_attention(*inputs, None, 4)
        costs.append((pairs, counter.written))
    for measure in zip(*costs, strict=True):
        assert measure[1] <= 2.2 * measure[0]
        assert measure[2] <= 2.1 * measure[1]


def test_the_future_is_not_seen_behind_padding_or_a_cache() -> None:
    query, key, value = vectors(12)
    whole = causal_attention(query, key, value, None)
    mask = torch.arange(12) < torch.tensor([[12], [9]])
    padded = causal_attention(query, key, value, mask)
    assert torch.allclose(padded[0], whole[0], atol=1e-6)
    assert torch.allclose(padded[1, :, :9], whole[1, :, :9], atol=1e-6)
    for new in (1, 5):
        tail = causal_attention(query[:, :, -new:], key, value, None)
        assert torch.allclose(tail, whole[:, :, -new:], atol=1e-6)
