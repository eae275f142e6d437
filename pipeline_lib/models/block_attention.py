"""Attention of blocks of queries to blocks of keys, on a CPU.

A few blocks of queries at a time gather their keys, so that these stay in the cache of the CPU;
the backward pass gathers them again. No more than queries, keys and values is held.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = 8
"""Blocks of queries whose keys are gathered together: 2 MB at the sizes of BigBird."""

Part = tuple[int, slice]


def block_attention(
    query: Tensor, key: Tensor, value: Tensor, table: Tensor, seen: Tensor, dropout: float = 0.0
) -> Tensor:
    """Return what blocks of queries gather from the blocks of keys of their table.

    Parameters
    ----------
    query
        (sequences x heads, rows, block, head width).
    key, value
        (sequences x heads, blocks, block, head width).
    table
        Blocks of keys of each row; (sequences x heads, rows, blocks seen), int64.
    seen
        True where there is a key; (sequences x heads, rows, blocks seen x block).
    dropout
        Share of the weights that is dropped.

    Returns
    -------
    Tensor
        Of the shape of ``query``.
    """
    query = query * (1 / math.sqrt(query.shape[-1]))
    keep = None
    if dropout:
        shape = (*query.shape[:3], seen.shape[-1])
        keep = torch.empty(shape, dtype=torch.bool).bernoulli_(1 - dropout)
    found: Tensor = _BlockAttention.apply(query, key, value, table, seen, keep, dropout)  # type: ignore[no-untyped-call]
    return found


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        table: Tensor,
        seen: Tensor,
        keep: Tensor | None,
        dropout: float,
    ) -> Tensor:
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        result = torch.empty_like(query)
        for part in _parts(table):
            weights = _weights(query[part], _gather(key, table, part), seen[part])
            if keep is not None:
                weights.mul_(keep[part]).mul_(1 / (1 - dropout))
            torch.bmm(weights, _gather(value, table, part), out=result[part])
        ctx.save_for_backward(query, key, value, table, seen, keep)
        ctx.dropout = dropout
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, table, seen, keep = ctx.saved_tensors
        slope = slope.contiguous()
        for_query = torch.empty_like(query)
        for_key, for_value = torch.zeros_like(key), torch.zeros_like(value)
        for part in _parts(table):
            keys, values = _gather(key, table, part), _gather(value, table, part)
            weights = dropped = _weights(query[part], keys, seen[part])
            inner = torch.bmm(slope[part], values.transpose(1, 2))
            if keep is not None:
                kept = keep[part] / (1 - ctx.dropout)
                inner, dropped = inner.mul_(kept), weights * kept
            blocks, shape = table[part].flatten(), (-1, *key.shape[2:])
            slopes = torch.bmm(dropped.transpose(1, 2), slope[part]).view(shape)
            for_value[part[0]].index_add_(0, blocks, slopes)
            inner = torch._softmax_backward_data(inner, weights, -1, weights.dtype)
            torch.bmm(inner, keys, out=for_query[part])
            slopes = torch.bmm(inner.transpose(1, 2), query[part]).view(shape)
            for_key[part[0]].index_add_(0, blocks, slopes)
        return for_query, for_key, for_value, None, None, None, None


def _parts(table: Tensor) -> Iterator[Part]:
    for sequence in range(table.shape[0]):
        for start in range(0, table.shape[1], AT_ONCE):
            yield sequence, slice(start, start + AT_ONCE)


def _gather(blocks: Tensor, table: Tensor, part: Part) -> Tensor:
    """Return the keys or values of some rows; (rows, blocks seen x block, head width)."""
    found = blocks[part[0]].index_select(0, table[part].flatten())
    return found.view(table[part].shape[0], -1, blocks.shape[-1])


def _weights(queries: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
    scores = torch.bmm(queries, keys.transpose(1, 2))
    if not bool(seen.all()):
        scores.masked_fill_(~seen[:, None], -math.inf)
    return scores.softmax(dim=-1)
