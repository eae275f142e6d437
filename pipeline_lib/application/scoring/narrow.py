"""The hidden vector of one token of each input, at the cost of what it depends on.

The last layer is asked for one token alone; where it sees locally, the layer before for those
around, and so on down to a layer that sees everything. What enters the first layer depends on
token and place alone: of a small vocabulary its keys and values are worked out once. The numbers
are those of the whole model.
"""

from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.models.layer import Layer
from pipeline_lib.models.layout import Layout, Rotation
from pipeline_lib.models.rotary import rotate
from pipeline_lib.models.transformer import Transformer

MOST_ENTERING = 100_000
"""Tokens times places up to which keys and values of the first layer are kept."""


@dataclass(frozen=True)
class Around:
    """Vectors of tokens around one place of each input.

    Attributes
    ----------
    vectors
        (batch, tokens, width).
    places
        Where these tokens stand; (batch, tokens).
    known
        False beyond the ends of an input and at padding; (batch, tokens).
    """

    vectors: Tensor
    places: Tensor
    known: Tensor


def can_narrow(encoder: nn.Module) -> TypeGuard[Transformer]:
    """Return whether :class:`Narrow` knows the architecture."""
    if type(encoder) is not Transformer:
        return False
    shape = encoder.architecture
    plain = shape.feedforward != "conv" and not shape.embedding_kernels and not shape.tracks
    return plain and shape.attention in ("full", "local", "causal")


@dataclass(frozen=True)
class Entering:
    """What enters the first layer, for every token at every place.

    Attributes
    ----------
    vectors
        Embeddings; (vocabulary x length, width).
    pairs
        Keys, already rotated, and values of the first layer; (vocabulary x length, 2 width).
    """

    vectors: Tensor
    pairs: Tensor


class Narrow:
    """An encoder that is asked for one token of each input.

    Parameters
    ----------
    encoder
        For which :func:`can_narrow` holds; in evaluation mode.
    """

    def __init__(self, encoder: Transformer) -> None:
        self.encoder = encoder
        count = encoder.architecture.layers
        self.layers = [encoder.layers[number % len(encoder.layers)] for number in range(count)]
        self._entering: tuple[int, Entering] | None = None

    def hidden_at(self, tokens: Tensor, mask: Tensor | None, place: Tensor) -> Tensor:
        """Return the hidden vector, after the last layer, of one token of each input.

        Parameters
        ----------
        tokens
            Ids; (batch, length).
        mask
            True where there is a token; (batch, length), or None.
        place
            Index of the token; (batch,).

        Returns
        -------
        Tensor
            (batch, width).
        """
        encoder, (batch, length) = self.encoder, tokens.shape
        layout = encoder._padded_layout(tokens, mask, 0, 0)
        known = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
        every = torch.arange(length, device=tokens.device).expand(batch, length)
        reaches, left = _reaches(self.layers, length), self.layers[1:]
        if encoder.vocab_size * length <= MOST_ENTERING:
            state = self._first(tokens, Around(tokens[..., None], every, known), place, reaches[0])
        else:
            state = Around(encoder.embed(tokens, layout), every, known)
            left.insert(0, self.layers[0])
        for layer, reach in zip(left, reaches[-len(left) :] if left else [], strict=True):
            assert isinstance(layer, Layer)
            asked = _near(state, place, reach, length)
            state = _layer(layer, state, asked, _rotation(layer, layout), None)
        found: Tensor = encoder.final_norm(state.vectors[:, 0])
        return found

    def _first(self, tokens: Tensor, state: Around, place: Tensor, reach: int) -> Around:
        """Return what the first layer gives, from what is known of every token at every place."""
        length = tokens.shape[1]
        entering, layer = self._table(length), self.layers[0]
        assert isinstance(layer, Layer)
        rows = (tokens * length + state.places).flatten()
        pairs = entering.pairs.index_select(0, rows).view(*tokens.shape, -1)
        asked = _near(state, place, reach, length)
        rows = asked.vectors[..., 0] * length + asked.places.clamp(0, length - 1)
        vectors = entering.vectors.index_select(0, rows.flatten()).view(*rows.shape, -1)
        rotation = _rotation(layer, self.encoder._padded_layout(tokens, None, 0, 0))
        asked = Around(vectors, asked.places, asked.known)
        return _layer(layer, state, asked, rotation, pairs)

    def _table(self, length: int) -> Entering:
        """Return what enters the first layer; kept for inputs of the same length."""
        if self._entering is None or self._entering[0] != length:
            words = torch.arange(self.encoder.vocab_size, device=self.encoder.tokens.weight.device)
            tokens = words[:, None].expand(-1, length)
            layout = self.encoder._padded_layout(tokens, None, 0, 0)
            vectors = self.encoder.embed(tokens, layout)
            layer = self.layers[0]
            assert isinstance(layer, Layer)
            seen = layer.attention_norm(vectors) if layer.pre_norm else vectors
            every = layout.positions.expand(tokens.shape)
            key, value = _pair(layer, seen, every, _rotation(layer, layout))
            pairs = torch.cat([part.transpose(1, 2).flatten(2) for part in (key, value)], dim=-1)
            self._entering = length, Entering(vectors.flatten(0, 1), pairs.flatten(0, 1))
        return self._entering[1]


def _reaches(layers: list[nn.Module], length: int) -> list[int]:
    """Return how far around the place each layer's output is needed; ``length``: everywhere."""
    reaches = [0]
    for layer in reversed(layers[1:]):
        assert isinstance(layer, Layer)
        local = layer.attention.kind == "local" and 2 * reaches[0] < length
        reaches.insert(0, min(reaches[0] + layer.attention.reach, length) if local else length)
    return [reach if 2 * reach + 1 < length else length for reach in reaches]


def _near(state: Around, place: Tensor, reach: int, length: int) -> Around:
    """Return the part of a state that lies within some reach of the place of each input."""
    if reach >= length:
        return state
    wanted = place[:, None] + torch.arange(-reach, reach + 1, device=place.device)
    first = state.places[:, :1]
    index = (wanted - first).clamp(0, state.places.shape[1] - 1)
    vectors = state.vectors.gather(1, index[..., None].expand(-1, -1, state.vectors.shape[2]))
    inside = (wanted >= 0) & (wanted < length)
    return Around(vectors, wanted, state.known.gather(1, index) & inside)


def _layer(
    layer: Layer,
    state: Around,
    asked: Around,
    rotation: Rotation | None,
    pairs: Tensor | None,
) -> Around:
    """Return what a layer gives at some of the tokens that it sees.

    ``pairs``: keys and values of all of them, where they are known.
    """
    norm = layer.attention_norm if layer.pre_norm else nn.Identity()
    if pairs is None:
        key, value = _pair(layer, norm(state.vectors), state.places, rotation)
    else:
        key, value = (_heads(part, layer.attention.heads) for part in pairs.chunk(2, dim=-1))
    attended = _attend(layer, norm(asked.vectors), key, value, state, asked, rotation)
    hidden = asked.vectors + attended
    if layer.pre_norm:
        hidden = hidden + layer._feedforward(layer.feedforward_norm(hidden), None)
    else:
        hidden = layer.attention_norm(hidden)
        hidden = layer.feedforward_norm(hidden + layer._feedforward(hidden, None))
    return Around(hidden, asked.places, asked.known)


def _pair(
    layer: Layer, seen: Tensor, places: Tensor, rotation: Rotation | None
) -> tuple[Tensor, Tensor]:
    """Return keys and values of tokens; each (batch, heads, tokens, head width)."""
    attention, width = layer.attention, seen.shape[-1]
    weight, bias = attention.project.weight, attention.project.bias
    pair = functional.linear(seen, weight[width:], None if bias is None else bias[width:])
    key, value = (_heads(part, attention.heads) for part in pair.chunk(2, dim=-1))
    return key if rotation is None else rotate(key, *_angles(rotation, places)), value


def _attend(
    layer: Layer,
    asking: Tensor,
    key: Tensor,
    value: Tensor,
    state: Around,
    asked: Around,
    rotation: Rotation | None,
) -> Tensor:
    attention, width = layer.attention, asking.shape[-1]
    weight, bias = attention.project.weight, attention.project.bias
    query = functional.linear(asking, weight[:width], None if bias is None else bias[:width])
    query = _heads(query, attention.heads)
    if rotation is not None:
        query = rotate(query, *_angles(rotation, asked.places))
    visible = state.known[:, None, :]
    distance = asked.places[:, :, None] - state.places[:, None, :]
    if attention.kind == "local":
        visible = visible & (distance.abs() <= attention.reach)
    elif attention.kind == "causal":
        visible = visible & (distance >= 0)
    # A place beyond the ends sees itself: a row without anything to see would be not a number.
    visible = visible | (distance == 0)
    gathered = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=visible[:, None]
    )
    output: Tensor = attention.output(gathered.transpose(1, 2).flatten(2))
    return output


def _heads(vectors: Tensor, heads: int) -> Tensor:
    batch, tokens, width = vectors.shape
    return vectors.view(batch, tokens, heads, width // heads).transpose(1, 2)


def _rotation(layer: Layer, layout: Layout) -> Rotation | None:
    return layout.local_rotation if layer.attention.kind == "local" else layout.rotation


def _angles(rotation: Rotation, places: Tensor) -> Rotation:
    index = places.clamp(0, len(rotation[0]) - 1)
    return rotation[0][index][:, None], rotation[1][index][:, None]
