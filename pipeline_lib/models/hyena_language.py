"""HyenaDNA as a language model: of the next token, of masked ones, and of both strands at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena import Hyena


class HyenaLanguageModel(nn.Module):
    """Encoder and output layer; the output matrix is the token embedding.

    Predicts the next token, or masked ones if the architecture is bidirectional.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens. Published models have 16 rows, of which 12 are in use.
    complements
        For `equivariant`: the id of the complement of every token, its own id where it has none.
    """

    packs = False

    def __init__(
        self,
        architecture: HyenaArchitecture,
        vocab_size: int,
        complements: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.causal = not architecture.bidirectional
        self.encoder: Hyena | BothStrands
        if architecture.equivariant:
            self.encoder = BothStrands(architecture, vocab_size, complements or ())
        else:
            self.encoder = Hyena(architecture, vocab_size)

    def forward(
        self, tokens: Tensor, mask: Tensor | None = None, targets: Tensor | None = None
    ) -> Tensor:
        """Return the scores of all tokens, everywhere or at some positions.

        Parameters
        ----------
        tokens
            Ids; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the positions to predict, or None for all; (batch, length).

        Returns
        -------
        Tensor
            Logits; (batch, length, vocabulary), or (targets, vocabulary).
        """
        hidden = self.encoder(tokens, mask)
        if targets is not None:
            hidden = hidden.flatten(0, 1).index_select(0, targets.flatten().nonzero().squeeze(1))
        return self.scores(hidden)

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens; (..., vocabulary) of (..., width)."""
        if isinstance(self.encoder, BothStrands):
            return self.encoder.scores(hidden)
        return _scores(hidden, self.encoder.tokens.weight)


class BothStrands(nn.Module):
    """An encoder that reads both strands with the same weights (Schiff et al. 2024, section 4.2).

    Half of the channels read the input, the other half its reverse complement, turned round. The
    reverse complement of the tokens gives the same hidden vectors in the reverse order of both
    positions and channels, exactly.

    Parameters
    ----------
    architecture
        Shape of the model; ``width`` is that of one strand.
    vocab_size
        Number of tokens.
    complements
        The id of the complement of every token.

    Raises
    ------
    InputError
        If the complements do not pair the tokens up.
    """

    complements: Tensor

    def __init__(
        self, architecture: HyenaArchitecture, vocab_size: int, complements: Sequence[int]
    ) -> None:
        super().__init__()
        if sorted(complements) != list(range(vocab_size)) or any(
            complements[other] != token for token, other in enumerate(complements)
        ):
            raise InputError(
                f"the complements {list(complements)} do not pair up {vocab_size} tokens",
                expected="for each token one other, whose complement it is, or itself",
                remedy="use a tokenizer of single nucleotides with `equivariant`",
            )
        self.architecture = architecture
        self.vocab_size, self.width = vocab_size, 2 * architecture.width
        self.strand = Hyena(architecture, vocab_size)
        self.register_buffer("complements", torch.tensor(complements), persistent=False)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the hidden vector of every token; (batch, length, 2 width)."""
        other = self.complements[tokens].flip(1)
        both = self.strand(
            torch.cat([tokens, other]), None if mask is None else torch.cat([mask, mask.flip(1)])
        )
        forward, reverse = both.chunk(2)
        return torch.cat([forward, reverse.flip(1, 2)], dim=-1)

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the logits of hidden vectors: each strand votes for its own base.

        Parameters
        ----------
        hidden
            (..., 2 width).

        Returns
        -------
        Tensor
            (..., vocabulary).
        """
        forward, reverse = hidden.chunk(2, dim=-1)
        weight = self.strand.tokens.weight
        return _scores(forward, weight) + _scores(reverse.flip(-1), weight[self.complements])


def _scores(hidden: Tensor, tokens: Tensor) -> Tensor:
    return functional.linear(hidden.to(tokens.dtype), tokens)
