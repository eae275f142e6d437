"""One Transformer, shaped by :class:`~pipeline_lib.config.architecture.Architecture`.

One class for the whole family: where the norms stand, how positions are told, which tokens see
which and what the feed-forward block is are settings.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.embedding import ConvolvedEmbedding, Numbers, TrackEmbedding, splice
from pipeline_lib.models.feedforward import Perceptron, initialize
from pipeline_lib.models.layer import Layer, norm, residual_outputs
from pipeline_lib.models.layout import (
    Layout,
    group_by_length,
    packed_positions,
    padded_lengths,
)
from pipeline_lib.models.rotary import ROTARY_BASE, rotary_angles, rotate, waves

__all__ = ["ROTARY_BASE", "Layer", "Transformer", "initialize", "rotary_angles", "rotate"]


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
        self.vocab_size, self.width = vocab_size, architecture.width
        narrow = architecture.embedding_width or architecture.width
        self.tokens = nn.Embedding(vocab_size, narrow)
        learned = architecture.positions == "learned"
        self.positions = nn.Embedding(architecture.context_length, narrow) if learned else None
        self.norm = norm(architecture, narrow, present=architecture.embedding_norm)
        self.dropout = nn.Dropout(architecture.dropout)
        distinct = 1 if architecture.share_layers else architecture.layers
        self.layers = nn.ModuleList(Layer(architecture, layer) for layer in range(distinct))
        self.final_norm = norm(architecture, present=architecture.final_norm)
        self._add_inputs(narrow)
        self._initialize()

    def _add_inputs(self, narrow: int) -> None:
        """Add the parts of the embedding that only some architectures have."""
        shape = self.architecture
        self.mapping = nn.Linear(narrow, shape.width) if shape.embedding_width else None
        kernels = shape.embedding_kernels
        self.convolved = ConvolvedEmbedding(narrow, kernels) if kernels else None
        self.tracks = TrackEmbedding(shape.tracks, narrow) if shape.tracks else None
        self.numbers = (
            Perceptron((1, narrow, narrow), shape.bias, shape.norm_epsilon)
            if shape.numbers
            else None
        )

    def _initialize(self) -> None:
        std, layers = self.architecture.init_std, self.architecture.layers
        initialize(self, std)
        if self.architecture.scaled_init:
            for weight in residual_outputs(self.layers):
                nn.init.normal_(weight, std=std / math.sqrt(2 * layers))
        if self.positions is not None:
            # Learned positions start from sinusoids instead of noise: neighbours resemble each
            # other from the first step on, and the bases around a gap are found much sooner.
            start = waves(*self.positions.weight.shape)
            with torch.no_grad():
                self.positions.weight.copy_(start * (std * math.sqrt(2)))

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        *,
        lengths: Sequence[int] | None = None,
        tracks: Tensor | None = None,
        numbers: Numbers | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Return the hidden vector of every token.

        Parameters
        ----------
        tokens
            Ids; (batch, length), int64; or (tokens,) of sequences end to end, without padding.
        mask
            True where there is a token, False where there is padding; (batch, length). None if
            there is no padding, which is faster.
        lengths
            Of the sequences that lie end to end.
        tracks
            Annotation of every token; (batch, length, tracks), 0 or 1.
        numbers
            Numbers to splice into the stream; the result is longer by as many.
        cache
            What is known of the tokens before these, of the same sequences; they are added to it.

        Returns
        -------
        Tensor
            (batch, length, width), or (tokens, width).

        Raises
        ------
        InputError
            If the input is longer than the context, or has parts the model has no place for.
        """
        if lengths is not None:
            layout = self._packed_layout(tokens, lengths)
            more = None if tracks is None else tracks[None]
            return self.encode(self.embed(tokens[None], layout, tracks=more), layout)[0]
        start = 0 if cache is None else cache.length
        added = 0 if numbers is None else numbers.values.shape[1]
        layout = self._padded_layout(tokens, mask, start, added)
        hidden = self.embed(tokens, layout, tracks=tracks, numbers=numbers)
        return self.encode(hidden, layout, cache)

    def embed(
        self,
        tokens: Tensor,
        layout: Layout,
        *,
        tracks: Tensor | None = None,
        numbers: Numbers | None = None,
        vectors: Tensor | None = None,
    ) -> Tensor:
        """Return what enters the first layer; (batch, length, width).

        ``vectors`` stand in for the embeddings of the tokens; (batch, length, embedding width).
        """
        hidden = self.tokens(tokens) if vectors is None else vectors
        if self.convolved is not None:
            hidden = self.convolved(hidden, layout.mask)
        if (tracks is None) != (self.tracks is None) or (numbers is not None and not self.numbers):
            raise InputError(
                "tracks or numbers do not fit the model",
                expected=f"{self.architecture.tracks} annotation tracks, and numbers only with the "
                "setting `numbers`",
                remedy="give what the architecture asks for",
            )
        if self.tracks is not None:
            hidden = hidden + self.tracks(tracks)
        if self.numbers is not None and numbers is not None:
            vectors = self.numbers(numbers.values.to(self.tokens.weight.dtype)[..., None])
            hidden = splice(hidden, vectors, numbers.place)
        if self.positions is not None:
            hidden = hidden + self.positions.weight[layout.positions]
        elif self.architecture.positions == "sinusoid":
            table = waves(self.architecture.context_length, hidden.shape[-1])
            hidden = hidden + table.to(hidden)[layout.positions]
        hidden = self.dropout(self.norm(hidden))
        return hidden if self.mapping is None else self.mapping(hidden)  # type: ignore[no-any-return]

    def encode(self, hidden: Tensor, layout: Layout, cache: Cache | None = None) -> Tensor:
        """Return what leaves the last layer; (batch, length, width)."""
        for number in range(self.architecture.layers):
            layer = self.layers[number % len(self.layers)]
            hidden = layer(hidden, layout, number, cache)
        if cache is not None:
            cache.length += hidden.shape[1]
        return self.final_norm(hidden)  # type: ignore[no-any-return]

    def _padded_layout(self, tokens: Tensor, mask: Tensor | None, start: int, added: int) -> Layout:
        batch, length = tokens.shape[0], tokens.shape[1] + added
        self._check_length(start + length)
        if added and mask is not None:
            raise InputError(
                "numbers in a batch with padding", remedy="give sequences of the same length"
            )
        groups = None
        if self.architecture.attention == "sparse" and mask is not None:
            # What a token sees must not depend on the other sequences of its batch.
            starts = torch.arange(batch, device=tokens.device) * length
            groups = group_by_length(padded_lengths(mask), starts, self.architecture.block_size)
        positions = torch.arange(start, start + length, device=tokens.device)
        return Layout(positions, mask, groups, *self._rotations(positions))

    def _packed_layout(self, tokens: Tensor, lengths: Sequence[int]) -> Layout:
        shape = self.architecture
        self._check_length(max(lengths, default=0))
        if shape.feedforward == "conv" or shape.embedding_kernels:
            raise InputError(
                "sequences end to end in a model with convolutions, which would see across",
                remedy="give them as a batch with padding and its mask",
            )
        positions = packed_positions(len(tokens), lengths, tokens.device)
        ends = torch.tensor(lengths, device=tokens.device)
        unit = shape.block_size if shape.attention == "sparse" else 1
        groups = group_by_length(lengths, ends.cumsum(0) - ends, unit)
        return Layout(positions, None, groups, *self._rotations(positions))

    def _rotations(
        self, positions: Tensor
    ) -> tuple[tuple[Tensor, Tensor] | None, tuple[Tensor, Tensor] | None]:
        shape = self.architecture
        if shape.positions != "rotary":
            return None, None
        width = shape.rotary_width or shape.width // shape.heads
        whole = rotary_angles(positions, width, positions.device, shape.rotary_theta)
        if shape.rotary_theta_local is None:
            return whole, whole
        local = rotary_angles(positions, width, positions.device, shape.rotary_theta_local)
        return whole, local

    def _check_length(self, length: int) -> None:
        if length > self.architecture.context_length:
            raise InputError(
                f"an input of {length:,} tokens does not fit into the context",
                expected=f"at most {self.architecture.context_length:,} tokens",
                remedy="shorten the sequences, or train a model with a larger `context_length`",
            )
