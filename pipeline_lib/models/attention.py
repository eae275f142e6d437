"""Multi-head attention: full, local, in blocks or causal."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.layout import Layout, scatter
from pipeline_lib.models.local_attention import local_attention
from pipeline_lib.models.rotary import rotate
from pipeline_lib.models.sparse_attention import Pattern, sparse_attention


class Cache:
    """Keys and values of the tokens so far, so that each is computed once.

    Parameters
    ----------
    architecture
        Shape of the model.
    capacity
        Most tokens that will be stored.
    """

    def __init__(self, architecture: Architecture, capacity: int) -> None:
        self.capacity, self.length = capacity, 0
        self._stored: list[tuple[Tensor, Tensor] | None] = [None] * architecture.layers

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store what is new; return all, each (batch, heads, tokens so far, head width)."""
        new, end = key.shape[2], self.length + key.shape[2]
        stored = self._stored[layer]
        if stored is None:
            shape = (*key.shape[:2], self.capacity, key.shape[3])
            stored = key.new_empty(shape), value.new_empty(shape)
            self._stored[layer] = stored
        stored[0][:, :, end - new : end] = key
        stored[1][:, :, end - new : end] = value
        return stored[0][:, :, :end], stored[1][:, :, :end]


class Attention(nn.Module):
    """Multi-head attention over the tokens that a token may see.

    Parameters
    ----------
    architecture
        Shape of the model.
    layer
        Index of the layer: some architectures see locally in some layers.
    """

    def __init__(self, architecture: Architecture, layer: int = 0) -> None:
        super().__init__()
        width, bias = architecture.width, architecture.bias
        self.heads = architecture.heads
        self.dropout = architecture.dropout
        self.kind = attention_kind(architecture, layer)
        self.reach = architecture.local_window // 2
        self.pattern = Pattern.of(architecture)
        # Query, key and value in one matrix: one large product is faster than three small ones.
        self.project = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)

    def forward(
        self, hidden: Tensor, layout: Layout, layer: int = 0, cache: Cache | None = None
    ) -> Tensor:
        """Return what each token gathers from the others; (batch, length, width)."""
        batch, length, width = hidden.shape
        projected = self.project(hidden).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # (batch, heads, length, head width)
        rotation = layout.local_rotation if self.kind == "local" else layout.rotation
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        if layout.groups is None:
            gathered = self._attend(query, key, value, layout.mask, layer).transpose(1, 2)
        else:
            parts = []
            for group in layout.groups:
                queries, keys, values = (group.gather(part) for part in (query, key, value))
                found = self._attend(queries, keys, values, group.mask, layer)
                parts.append(group.flatten(found))
            gathered = scatter(parts, layout.groups, batch, length)
        return self.output(gathered.reshape(batch, length, width))  # type: ignore[no-any-return]

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, layer: int
    ) -> Tensor:
        """Return gathered values; (batch, heads, length, head width)."""
        dropout = self.dropout if self.training else 0.0
        if self.kind == "local":
            return local_attention(query, key, value, mask, self.reach, dropout)
        if self.kind == "sparse":
            return sparse_attention(query, key, value, mask, self.pattern, layer, dropout)
        if self.kind == "causal":
            return causal_attention(query, key, value, mask, dropout)
        seen = None if mask is None else mask[:, None, None, :]  # over heads and queries
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout
        )


def attention_kind(architecture: Architecture, layer: int) -> str:
    """Return how a layer attends: as the architecture says, but for the full ones among local."""
    if architecture.attention == "local" and layer % architecture.global_every == 0:
        return "full"
    return architecture.attention


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """Return what each token gathers from itself and those before it.

    Parameters
    ----------
    query
        (batch, heads, new tokens, head width): the last of all tokens.
    key, value
        (batch, heads, tokens, head width).
    mask
        True where there is a token; (batch, tokens), or None.
    """
    new, tokens = query.shape[2], key.shape[2]
    if mask is None and new == 1 and not dropout and query.device.type == "cpu":
        # One query at a time, when text is written: the fused kernel is made for many.
        scores = query @ key.mT * query.shape[-1] ** -0.5
        return scores.softmax(dim=-1) @ value  # type: ignore[no-any-return]
    if mask is None and new in (1, tokens):
        return functional.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=bool(new > 1)
        )
    places = torch.arange(tokens, device=query.device)
    distance = places[tokens - new :, None] - places
    seen = distance >= 0
    if mask is not None:
        # A token always sees itself: a row without anything to see would be not a number.
        seen = (seen & mask[:, None, None, :]) | (distance == 0)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, dropout_p=dropout
    )
