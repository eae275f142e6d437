"""BigBird's attention (Zaheer et al. 2020): windows, global and random blocks of tokens.

Every block of queries gathers its few blocks of keys, so cost and memory grow with the length
and not with its square; :func:`dense_bias` spells the same out as a square, for tests.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.block_attention import block_attention
from pipeline_lib.models.layout import pad_length

NOTHING = -1
"""In a table of blocks: no block here."""


@dataclass(frozen=True)
class Pattern:
    """The settings of an architecture that decide which block sees which."""

    block: int
    window: int
    globals: int
    at_ends: bool
    random: int
    layout: str
    heads: int
    seed: int

    @classmethod
    def of(cls, architecture: Architecture) -> "Pattern":
        """Return the pattern of an architecture."""
        return cls(
            block=architecture.block_size,
            window=architecture.window_blocks,
            globals=architecture.global_blocks,
            at_ends=architecture.global_place == "ends",
            random=architecture.random_blocks,
            layout=architecture.random_layout,
            heads=architecture.heads,
            seed=architecture.random_seed,
        )

    @property
    def dense_blocks(self) -> int:
        """Most blocks of an input that is attended to in full, the same as in `transformers`."""
        return self.window + self.globals + 2 * self.random

    def global_blocks(self, blocks: int) -> list[int]:
        """Return which of so many blocks are global."""
        first, last = self.global_ends(blocks)
        return [*range(first), *range(last, blocks)]

    def global_ends(self, blocks: int) -> tuple[int, int]:
        """Return where the global blocks at the start end, and where those at the end begin."""
        first = (self.globals + 1) // 2 if self.at_ends else self.globals
        return first, blocks - (self.globals - first)


def block_table(pattern: Pattern, layer: int, blocks: int) -> Tensor:
    """Return the blocks of keys that each block of queries gathers.

    Parameters
    ----------
    layer
        Index of the layer; each has lots of its own.
    blocks
        Blocks of the input. The table depends on nothing else.

    Returns
    -------
    Tensor
        (heads, or 1 if all have the same; blocks that are not global; blocks of keys), int64,
        with :data:`NOTHING` where there are fewer.
    """
    if torch.compiler.is_compiling():  # no graph can hold numpy's lots
        return torch.compiler.disable(_table)(pattern, layer, blocks)  # type: ignore[no-any-return, no-untyped-call]
    return _table(pattern, layer, blocks)


@lru_cache(maxsize=4096)
def _table(pattern: Pattern, layer: int, blocks: int) -> Tensor:
    alike = pattern.layout != "per-head"
    return torch.stack(
        [_head_table(pattern, layer, head, blocks) for head in range(1 if alike else pattern.heads)]
    )


def _head_table(pattern: Pattern, layer: int, head: int, blocks: int) -> Tensor:
    chance = np.random.default_rng([pattern.seed, layer, head, blocks])
    everywhere = pattern.global_blocks(blocks)
    reach = pattern.window // 2
    width = pattern.window + len(everywhere) + pattern.random
    rows = []
    for block in sorted(set(range(blocks)) - set(everywhere)):
        near = range(max(0, block - reach), min(blocks, block + reach + 1))
        known = [*everywhere, *(other for other in near if other not in everywhere)]
        if pattern.layout == "first":
            drawn = [0] * pattern.random
        else:
            others = sorted(set(range(blocks)) - set(known))
            count = min(pattern.random, len(others))
            drawn = sorted(chance.choice(others, count, replace=False).tolist()) if count else []
        row = [*known, *drawn]
        rows.append(row + [NOTHING] * (width - len(row)))
    return torch.tensor(rows)


def sparse_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    pattern: Pattern,
    layer: int,
    dropout: float = 0.0,
) -> Tensor:
    """Return what each token gathers from the blocks that its block sees.

    Parameters
    ----------
    query, key, value
        (batch, heads, length, head width); the last block may be incomplete.
    mask
        True where there is a token; (batch, length), or None.
    """
    length, size = query.shape[2], pattern.block
    blocks = -(-length // size)
    if blocks <= pattern.dense_blocks:
        seen = None if mask is None else mask[:, None, None, :]
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout
        )
    rest = blocks * size - length
    if rest and mask is None:
        mask = torch.ones(1, length, dtype=torch.bool, device=query.device)
    if rest and mask is not None:
        query, key, value = (pad_length(part, 0, rest) for part in (query, key, value))
        mask = functional.pad(mask, (0, rest))
    first, last = pattern.global_ends(blocks)
    begin, end, middle = first * size, last * size, (last - first, size)
    table = block_table(pattern, layer, blocks).to(query.device)
    local = query[:, :, begin:end].unflatten(2, middle)  # type: ignore[no-untyped-call]
    local = _gathered(local, key, value, mask, table, size, dropout).flatten(2, 3)
    whole = functional.scaled_dot_product_attention(
        torch.cat([query[:, :, :begin], query[:, :, end:]], dim=2), key, value,
        attn_mask=None if mask is None else mask[:, None, None, :], dropout_p=dropout,
    )  # fmt: skip
    return torch.cat([whole[:, :, :begin], local, whole[:, :, begin:]], dim=2)[:, :, :length]


def _gathered(
    queries: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    table: Tensor,
    size: int,
    dropout: float,
) -> Tensor:
    """Return attention of blocks of queries to the blocks of their table.

    Returns
    -------
    Tensor
        (batch, heads, rows, size, head width).
    """
    batch, heads = queries.shape[:2]
    index = table.clamp(min=0)  # (heads or 1, rows, blocks of keys)
    seen = (table != NOTHING)[None, ..., None]  # (1, heads or 1, rows, blocks of keys, 1)
    if mask is not None:
        seen = seen & mask.view(len(mask), -1, size)[:, index]
    seen = seen.expand(batch, heads, -1, -1, size).flatten(3, 4)
    if key.device.type == "cpu" and key.dtype in (torch.float32, torch.float64):
        shared = index.expand(batch, heads, -1, -1).flatten(0, 1)
        keys, values = (
            part.reshape(batch * heads, -1, size, part.shape[-1]) for part in (key, value)
        )
        found = block_attention(
            queries.flatten(0, 1), keys, values, shared, seen.flatten(0, 1), dropout
        )
        return found.view(queries.shape)
    head = torch.arange(heads, device=key.device)[:, None, None]
    keys, values = (
        part.reshape(batch, heads, -1, size, part.shape[-1])[:, head, index].flatten(3, 4)
        for part in (key, value)
    )  # (batch, heads, rows, blocks of keys x size, head width)
    gathered = functional.scaled_dot_product_attention(
        queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1),
        attn_mask=seen.flatten(0, 1)[:, :, None], dropout_p=dropout,
    )  # fmt: skip
    return gathered.view(queries.shape)


def dense_bias(pattern: Pattern, layer: int, length: int) -> Tensor:
    """Return what to add to the scores of full attention to get the same; for tests.

    Returns
    -------
    Tensor
        Logarithm of how often a token (second axis) sees another (last axis);
        (heads, length, length).
    """
    size = pattern.block
    blocks = -(-length // size)
    if blocks <= pattern.dense_blocks:
        return torch.zeros(pattern.heads, length, length)
    everywhere = pattern.global_blocks(blocks)
    others = sorted(set(range(blocks)) - set(everywhere))
    counts = torch.zeros(pattern.heads, blocks, blocks)
    counts[:, everywhere] = 1.0
    table = block_table(pattern, layer, blocks).expand(pattern.heads, -1, -1)
    for head in range(pattern.heads):
        for row, block in enumerate(others):
            for other in table[head, row].tolist():
                if other != NOTHING:
                    counts[head, block, other] += 1.0
    full = counts.repeat_interleave(size, 1).repeat_interleave(size, 2)
    return full[:, :length, :length].log()
