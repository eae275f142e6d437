"""A Transformer that predicts masked tokens (Devlin et al. 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.feedforward import activation, initialize
from pipeline_lib.models.transformer import Transformer


class MaskedLanguageModel(nn.Module):
    """Encoder and output layer; the output matrix is the token embedding."""

    causal = False
    packs = True
    """Takes sequences of unequal length end to end instead of padded."""
    encoder_class: type[Transformer] = Transformer

    def __init__(self, architecture: Architecture, vocab_size: int) -> None:
        super().__init__()
        if architecture.attention == "causal":
            raise InputError(
                "a causal model for masked tokens, which it sees from one side alone",
                expected="`attention` full, local or sparse",
                remedy="choose another preset, such as bert-base or moderngena-base",
            )
        narrow, bias = architecture.embedding_width or architecture.width, architecture.bias
        if architecture.embedding_kernels or architecture.feedforward == "conv":
            self.packs = False  # a convolution would see across the borders of sequences
        self.encoder = self.encoder_class(architecture, vocab_size)
        self.transform = nn.Linear(architecture.width, narrow, bias=bias)
        self.activation = activation(architecture)
        self.norm = nn.LayerNorm(narrow, eps=architecture.norm_epsilon, bias=bias)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        initialize(self.transform, architecture.init_std)

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        targets: Tensor,
        *,
        lengths: Sequence[int] | None = None,
        tracks: Tensor | None = None,
    ) -> Tensor:
        """Return the scores of all tokens at some positions.

        Parameters
        ----------
        tokens
            Ids, some of them masked; (batch, length), or (tokens,) of sequences end to end.
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the positions to predict; of the shape of ``tokens``. The output layer, the
            dearest part of a small model with a large vocabulary, is computed nowhere else.
        lengths
            Of the sequences that lie end to end.
        tracks
            Annotation of every token; (batch, length, tracks), if the model has tracks.

        Returns
        -------
        Tensor
            Logits in the order of the positions; (targets, vocabulary).
        """
        hidden = self.encoder(tokens, mask, lengths=lengths, tracks=tracks).flatten(0, -2)
        return self.scores(hidden.index_select(0, targets.flatten().nonzero().squeeze(1)))

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens; (..., vocabulary) of (..., width)."""
        hidden = self.norm(self.activation(self.transform(hidden)))
        return functional.linear(hidden, self.encoder.tokens.weight, self.bias)

    def start_from_frequencies(self, counts: Tensor) -> None:
        """Set the output bias to the log frequencies of tokens, counted in the training data.

        The first few hundred steps are then not spent on learning how frequent tokens are.
        """
        shares = (counts.double() + 0.5) / (counts.double() + 0.5).sum()
        with torch.no_grad():
            self.bias.copy_(shares.log().float())
