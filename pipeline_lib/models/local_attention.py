"""Attention within a window, at a cost linear in the length."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.models.layout import pad_length


def local_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, half: int, dropout: float = 0.0
) -> Tensor:
    """Return what each token gathers from those at most ``half`` tokens away.

    Queries are cut into blocks of ``half`` tokens: such a block sees itself and its two
    neighbours, and nothing else is computed.

    Parameters
    ----------
    query, key, value
        (batch, heads, length, head width).
    mask
        True where there is a token; (batch, length), or None.
    """
    batch, heads, length, width = query.shape
    if length <= 3 * half:
        seen = local_mask(length, half, mask, query.device)
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout
        )
    blocks = -(-length // half)
    rest = blocks * half - length
    queries = pad_length(query, 0, rest).reshape(batch, heads, blocks, half, width)
    # Blocks beside heads: (batch x blocks, heads, half, head width); the mask ignores heads.
    queries = queries.transpose(1, 2).flatten(0, 1)
    keys, values = (
        pad_length(part, half, rest + half)
        .unfold(2, 3 * half, half)  # (batch, heads, blocks, head width, 3 half)
        .permute(0, 2, 1, 4, 3)
        .flatten(0, 1)
        for part in (key, value)
    )
    seen = _window_mask(batch, length, half, mask, query.device)
    gathered = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=seen, dropout_p=dropout
    )
    gathered = gathered.view(batch, blocks, heads, half, width).transpose(1, 2)
    return gathered.reshape(batch, heads, blocks * half, width)[:, :, :length]


def local_mask(length: int, half: int, mask: Tensor | None, device: torch.device) -> Tensor:
    """Return which token (third axis) sees which (last axis); (batch or 1, 1, length, length).

    A token always sees itself, also where there is padding: a row without anything to see would
    be not a number.
    """
    places = torch.arange(length, device=device)
    distance = (places[:, None] - places).abs()
    seen = (distance <= half)[None, None]
    return seen if mask is None else seen & (mask[:, None, None, :] | (distance == 0))


def _window_mask(
    batch: int, length: int, half: int, mask: Tensor | None, device: torch.device
) -> Tensor:
    """Return the same for blocks of queries and their three blocks of keys.

    Returns
    -------
    Tensor
        (batch x blocks, 1, half, 3 half).
    """
    blocks = -(-length // half)
    present = torch.ones(1, length, dtype=torch.bool, device=device) if mask is None else mask
    present = functional.pad(present, (half, (blocks + 1) * half - length))
    present = present.unfold(1, 3 * half, half)[:, :, None]  # (batch or 1, blocks, 1, 3 half)
    places = torch.arange(3 * half, device=device)
    offset = places - half - places[:half, None]  # of a key from a query; (half, 3 half)
    seen = (offset.abs() <= half) & (present | (offset == 0))
    return seen.expand(batch, -1, -1, -1).flatten(0, 1)[:, None]
