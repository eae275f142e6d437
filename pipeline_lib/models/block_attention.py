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
        result, space = torch.empty_like(query), _Space(key, table)
        for part in _parts(table):
            weights = space.weights(query, key, table, seen, part)
            if keep is not None:
                weights.mul_(keep[part]).mul_(1 / (1 - dropout))
            values = space.gather(value, table, part, space.values)
            torch.bmm(weights, values, out=result[part])
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
        space = _Space(key, table)
        for part in _parts(table):
            weights = dropped = space.weights(query, key, table, seen, part)
            values = space.gather(value, table, part, space.values)
            inner = torch.bmm(slope[part], values.transpose(1, 2), out=space.inner[: len(weights)])
            if keep is not None:
                kept = keep[part] / (1 - ctx.dropout)
                inner, dropped = inner.mul_(kept), weights * kept
            space.add(for_value, table, part, dropped, slope)
            inner -= (inner * weights).sum(dim=-1, keepdim=True)
            inner *= weights
            torch.bmm(inner, space.shaped(space.keys, len(inner)), out=for_query[part])
            space.add(for_key, table, part, inner, query)
        return for_query, for_key, for_value, None, None, None, None


def _parts(table: Tensor) -> Iterator[Part]:
    for sequence in range(table.shape[0]):
        for start in range(0, table.shape[1], AT_ONCE):
            yield sequence, slice(start, start + AT_ONCE)


class _Space:
    """Memory that all parts use in turn: new memory for each would take longer than the sums."""

    def __init__(self, key: Tensor, table: Tensor) -> None:
        rows, blocks, size = min(AT_ONCE, table.shape[1]), table.shape[2], key.shape[2]
        self.keys, self.values, self.slopes = (
            key.new_empty(rows * blocks, *key.shape[2:]) for _ in range(3)
        )
        self.scores, self.softened, self.inner = (
            key.new_empty(rows, size, blocks * size) for _ in range(3)
        )

    def gather(self, blocks: Tensor, table: Tensor, part: Part, into: Tensor) -> Tensor:
        """Return the keys or values of some rows; (rows, blocks seen x block, head width)."""
        chosen = table[part].flatten()
        torch.index_select(blocks[part[0]], 0, chosen, out=into[: len(chosen)])
        return self.shaped(into, len(table[part]))

    def weights(
        self, query: Tensor, key: Tensor, table: Tensor, seen: Tensor, part: Part
    ) -> Tensor:
        """Return how much some rows attend to their keys; (rows, block, blocks seen x block)."""
        keys = self.gather(key, table, part, self.keys)
        scores = torch.bmm(query[part], keys.transpose(1, 2), out=self.scores[: len(keys)])
        if not bool(seen[part].all()):
            scores.masked_fill_(~seen[part][:, None], -math.inf)
        return torch.softmax(scores, dim=-1, out=self.softened[: len(keys)])

    def add(
        self, total: Tensor, table: Tensor, part: Part, weights: Tensor, vectors: Tensor
    ) -> None:
        """Add the weighted vectors of the rows to the blocks that they were gathered from."""
        slopes = torch.bmm(
            weights.transpose(1, 2), vectors[part], out=self.shaped(self.slopes, len(weights))
        )
        chosen = table[part].flatten()
        total[part[0]].index_add_(0, chosen, slopes.view(len(chosen), *total.shape[2:]))

    def shaped(self, blocks: Tensor, rows: int) -> Tensor:
        """Return the part of a buffer that some rows use, all blocks of a row in one."""
        each = len(blocks) // len(self.scores)
        return blocks[: rows * each].view(rows, -1, blocks.shape[-1])
