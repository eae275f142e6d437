"""A masked language model that reads long inputs segment by segment (Bulatov et al. 2022).

Memory vectors stand at the beginning of each segment; what leaves the last layer there enters the
next segment. With one segment and no memory it is the model without memory, whose weights have the
same names: a trained one can be continued with memory.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.embedding import Numbers
from pipeline_lib.models.feedforward import initialize
from pipeline_lib.models.layout import padded_lengths
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.segments import Segment, cut
from pipeline_lib.models.transformer import Transformer


class RecurrentTransformer(Transformer):
    """An encoder with memory.

    Parameters
    ----------
    architecture
        Shape of the model; its ``context_length`` is that of a segment.
    vocab_size
        Number of tokens.

    Raises
    ------
    InputError
        If the architecture has no section ``memory``.
    """

    def __init__(self, architecture: Architecture, vocab_size: int) -> None:
        super().__init__(architecture, vocab_size)
        if architecture.memory is None:
            raise InputError(
                "an architecture without memory for a model with it",
                remedy="add `memory: {tokens: 10, segments: 4}` to the architecture",
            )
        self.settings = architecture.memory
        narrow = self.tokens.embedding_dim
        self.memory = nn.Parameter(torch.empty(self.settings.tokens, narrow))
        nn.init.normal_(self.memory, std=architecture.init_std)
        # A factorised embedding is narrower than the vectors that leave the last layer.
        self.carry = nn.Linear(architecture.width, narrow) if narrow != self.width else None
        if self.carry is not None:
            initialize(self.carry, architecture.init_std)

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
        """Return the hidden vector of every token; that of [CLS] has seen all segments.

        Parameters
        ----------
        tokens
            Rows ``[CLS] ... [SEP] [PAD]...``; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        lengths, tracks, numbers, cache
            Not taken.

        Returns
        -------
        Tensor
            (batch, length, width); zeros at padding.

        Raises
        ------
        InputError
            If an input has more segments than the model.
        """
        if not (lengths is None and tracks is None and numbers is None and cache is None):
            raise InputError(
                "a model with memory reads neither sequences end to end, nor tracks, numbers or a "
                "cache",
                remedy="give a batch with padding and its mask",
            )
        return self.read(tokens, mask)[0]

    def read(self, tokens: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the hidden vectors of tokens, and of the memory after the last segment.

        Returns
        -------
        tuple
            (batch, length, width) and (batch, memory tokens, embedding width).
        """
        values, places = [], []
        memory: Tensor = self.memory
        for segment, hidden, carried in self.walk(tokens, mask):
            memory = carried
            values.append(hidden.flatten(0, 1).index_select(0, segment.kept))
            places.append(segment.places)
        found = torch.cat(values)
        empty = found.new_zeros(tokens.numel(), found.shape[1])
        return empty.index_copy(0, torch.cat(places), found).view(*tokens.shape, -1), memory

    def walk(
        self, tokens: Tensor, mask: Tensor | None = None
    ) -> Iterator[tuple[Segment, Tensor, Tensor]]:
        """Yield one segment after another.

        Yields
        ------
        tuple
            The segment; its hidden vectors, (rows, length of the segment, width); the memory of
            all inputs after it, (batch, memory tokens, embedding width).
        """
        carried = self.memory.new_zeros(len(tokens), *self.memory.shape)
        for segment in self.segments(tokens, mask):
            memory = torch.where(segment.first[:, None, None], self.memory, carried[segment.rows])
            if self.settings.checkpointing and torch.is_grad_enabled():
                hidden = checkpoint(self._encode, tokens, segment, memory, use_reentrant=False)
            else:
                hidden = self._encode(tokens, segment, memory)
            written = hidden[:, 1 : 1 + self.settings.tokens]
            written = written if self.carry is None else self.carry(written)
            carried = carried.index_copy(0, segment.rows, written.to(carried.dtype))
            yield segment, hidden, carried
            if self.ends_run(segment.left):
                carried = carried.detach()

    def ends_run(self, left: int) -> bool:
        """Tell whether gradients do not flow back from the ``left`` segments that follow.

        Runs are counted from the end: the last, from which a classifier learns, is whole, and
        what an input teaches does not depend on the lengths of the others.
        """
        return left == 0 or (self.settings.depth > 0 and left % self.settings.depth == 0)

    def segments(self, tokens: Tensor, mask: Tensor | None = None) -> list[Segment]:
        """Return the segments of a batch.

        Raises
        ------
        InputError
            If an input has more segments than the model, or padding that does not come last.
        """
        batch, columns = tokens.shape
        lengths = [columns] * batch if mask is None else padded_lengths(mask)
        shape = self.architecture
        if max(lengths) > shape.input_length:
            raise InputError(
                f"an input of {max(lengths):,} tokens does not fit into "
                f"{self.settings.segments:,} segments",
                expected=f"at most {shape.input_length:,} tokens",
                remedy="raise `memory.segments` of the architecture, or shorten the sequences",
            )
        if min(lengths) < 2:
            raise InputError(
                f"an input of {min(lengths)} tokens",
                expected="[CLS] and [SEP] at least, which are those of each segment",
                remedy="give rows `[CLS] ... [SEP] [PAD]...`",
            )
        room = self.settings.room(shape.context_length)
        return [part.to(tokens.device) for part in cut(lengths, columns, room, self.settings)]

    def _encode(self, tokens: Tensor, segment: Segment, memory: Tensor) -> Tensor:
        """Return the hidden vectors of a segment; (rows, length, width)."""
        ids = tokens.flatten()[segment.source]
        vectors = self.tokens(ids)
        after = vectors[:, 1 + memory.shape[1] :]
        vectors = torch.cat([vectors[:, :1], memory.to(vectors.dtype), after], dim=1)
        layout = self._padded_layout(ids, segment.mask, 0, 0)
        return self.encode(self.embed(ids, layout, vectors=vectors), layout)


class RecurrentMemoryModel(MaskedLanguageModel):
    """Encoder with memory and output layer; called like the model without memory.

    Inputs are rows ``[CLS] ... [SEP] [PAD]...``. Training should go through :meth:`losses`, which
    holds no more than ``memory.depth`` segments at a time.
    """

    packs = False
    encoder_class = RecurrentTransformer
    encoder: RecurrentTransformer

    def losses(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        targets: Tensor,
        answers: Tensor,
        weights: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yield the loss of every run of segments through which gradients flow back.

        Call ``backward`` on each before the next is asked for: its segments are then let go of.
        A run without a target yields nothing.

        Parameters
        ----------
        tokens
            Ids, some of them masked; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the tokens to predict; (batch, length).
        answers
            What stands there, in the order of the positions; (targets,).
        weights
            How much each counts; (targets,). None if all count alike.

        Yields
        ------
        Tensor
            Sum of the cross-entropy of the run's targets, in nats, each times its weight.
        """
        asked = targets.flatten()
        order = asked.cumsum(0) - 1
        parts = []
        for segment, hidden, _ in self.encoder.walk(tokens, mask):
            wanted = asked[segment.places]
            which = order[segment.places[wanted]]
            if len(which):
                chosen = hidden.flatten(0, 1).index_select(0, segment.kept[wanted])
                own = None if weights is None else weights[which]
                parts.append(_loss(self.scores(chosen), answers[which], own))
            if parts and self.encoder.ends_run(segment.left):
                loss, parts = torch.stack(parts).sum(), []
                yield loss

    def encode(self, tokens: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the hidden vector of every token and the memory at the end.

        See :meth:`RecurrentTransformer.read`.
        """
        return self.encoder.read(tokens, mask)


def _loss(logits: Tensor, answers: Tensor, weights: Tensor | None) -> Tensor:
    each = functional.cross_entropy(logits.float(), answers, reduction="none")
    return each.sum() if weights is None else (each * weights).sum()
