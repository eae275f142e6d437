"""A Transformer encoder, shaped by :class:`~pipeline_lib.config.architecture.Architecture`.

One class for the whole family: where the norms stand and how positions are told are settings.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError

ROTARY_BASE = 10_000.0


class Transformer(nn.Module):
    """Token embeddings and a stack of layers.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    """

    def __init__(self, architecture: Architecture, vocab_size: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.vocab_size = vocab_size
        width, epsilon = architecture.width, architecture.norm_epsilon
        self.tokens = nn.Embedding(vocab_size, width)
        self.positions = (
            nn.Embedding(architecture.context_length, width)
            if architecture.positions == "learned"
            else None
        )
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.dropout = nn.Dropout(architecture.dropout)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))
        self.final_norm = (
            nn.LayerNorm(width, eps=epsilon) if architecture.final_norm else nn.Identity()
        )
        initialize(self, architecture.init_std)
        if self.positions is not None:
            _start_with_waves(self.positions, architecture.init_std)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the hidden vector of every token.

        Parameters
        ----------
        tokens
            Ids; (batch, length), int64.
        mask
            True where there is a token, False where there is padding; (batch, length). None if
            there is no padding, which is faster.

        Returns
        -------
        Tensor
            (batch, length, width).

        Raises
        ------
        InputError
            If the input is longer than the context.
        """
        length = tokens.shape[1]
        if length > self.architecture.context_length:
            raise InputError(
                f"an input of {length:,} tokens does not fit into the context",
                expected=f"at most {self.architecture.context_length:,} tokens",
                remedy="shorten the sequences, or train a model with a larger `context_length`",
            )
        hidden = self.tokens(tokens)  # (batch, length, width)
        rotation = None
        if self.positions is not None:
            hidden = hidden + self.positions.weight[:length]
        else:
            head_width = self.architecture.width // self.architecture.heads
            rotation = rotary_angles(length, head_width, tokens.device)
        hidden = self.dropout(self.norm(hidden))
        attended = None if mask is None else mask[:, None, None, :]  # over heads and queries
        for layer in self.layers:
            hidden = layer(hidden, attended, rotation)
        return self.final_norm(hidden)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and a norm."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, epsilon = architecture.width, architecture.norm_epsilon
        self.pre_norm = architecture.norm == "pre"
        self.attention = Attention(architecture)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.expand = nn.Linear(width, architecture.feedforward_width)
        self.contract = nn.Linear(architecture.feedforward_width, width)
        self.feedforward_norm = nn.LayerNorm(width, eps=epsilon)
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return new hidden vectors; (batch, length, width)."""
        if self.pre_norm:
            attended = self.attention(self.attention_norm(hidden), mask, rotation)
            hidden = hidden + self.dropout(attended)
            fed = self.dropout(self._feedforward(self.feedforward_norm(hidden)))
            return hidden + fed  # type: ignore[no-any-return]
        attended = self.attention(hidden, mask, rotation)
        hidden = self.attention_norm(hidden + self.dropout(attended))
        fed = self.dropout(self._feedforward(hidden))
        return self.feedforward_norm(hidden + fed)  # type: ignore[no-any-return]

    def _feedforward(self, hidden: Tensor) -> Tensor:
        return self.contract(functional.gelu(self.expand(hidden)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Multi-head attention over all tokens of an input."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.heads = architecture.heads
        self.dropout = architecture.dropout
        # Query, key and value in one matrix: one large product is faster than three small ones.
        self.project = nn.Linear(architecture.width, 3 * architecture.width)
        self.output = nn.Linear(architecture.width, architecture.width)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, rotation: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Return what each token gathers from the others; (batch, length, width)."""
        batch, length, width = hidden.shape
        projected = self.project(hidden).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # (batch, heads, length, head width)
        if rotation is not None:
            query, key = rotate(query, *rotation), rotate(key, *rotation)
        gathered = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=self.dropout if self.training else 0.0
        )
        gathered = gathered.transpose(1, 2).reshape(batch, length, width)
        return self.output(gathered)  # type: ignore[no-any-return]


def rotary_angles(length: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the rotary angles (Su et al. 2021); each (length, width)."""
    frequencies = ROTARY_BASE ** -(torch.arange(0, width, 2, device=device) / width)
    angles = torch.arange(length, device=device)[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the pairs (i, i + width / 2) of each vector by its position's angles."""
    first, second = vectors.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return vectors * cosine + turned * sine


def initialize(module: nn.Module, std: float) -> None:
    """Draw weights from a normal distribution and set biases to zero, as BERT does."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=std)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def _start_with_waves(positions: nn.Embedding, std: float) -> None:
    """Start learned positions from sinusoids (Vaswani et al. 2017) instead of noise.

    They are learned all the same, but neighbours resemble each other from the first step on:
    a model finds the bases around a gap in a fraction of the steps.
    """
    length, width = positions.weight.shape
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(ROTARY_BASE) / width))
    angles = torch.arange(length)[:, None] * frequencies
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
    with torch.no_grad():
        positions.weight.copy_(waves * (std * math.sqrt(2)))
