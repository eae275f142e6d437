"""HyenaDNA as a language model: of the next token, of masked ones, and of both strands at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena import Hyena
from pipeline_lib.models.layout import group_by_length, packed_positions, scatter

_COMPLEMENTS = str.maketrans("ACGTUNRYKMSWBDHVacgtunryksmwbdhv", "TGCAANYRMKSWVHDBtgcaanyrmskwvhdb")


class HyenaLanguageModel(nn.Module):
    """Encoder and output layer; the output matrix is the token embedding, unless it is untied.

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
    """Padded batches are what it takes best: sequences end to end are padded again, in groups."""

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
        self.output: nn.Linear | None = None
        if not architecture.tied_output:
            self.output = nn.Linear(architecture.width, vocab_size, bias=False)
            nn.init.normal_(self.output.weight, std=architecture.init_std)

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None = None,
        targets: Tensor | None = None,
        *,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Return the scores of all tokens, everywhere or at some positions.

        Parameters
        ----------
        tokens
            Ids; (batch, length), or (tokens,) of sequences end to end.
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the positions to predict, or None for all; of the shape of ``tokens``.
        lengths
            Of the sequences that lie end to end. No sequence sees another.

        Returns
        -------
        Tensor
            Logits; (batch, length, vocabulary), (tokens, vocabulary), or (targets, vocabulary)
            in the order of the positions.

        Raises
        ------
        InputError
            If the lengths do not add up to the number of tokens.
        """
        hidden = self.encoder(tokens, mask) if lengths is None else self._packed(tokens, lengths)
        if targets is not None:
            hidden = hidden.flatten(0, -2).index_select(0, targets.flatten().nonzero().squeeze(1))
        return self.scores(hidden)

    def _packed(self, tokens: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return the hidden vectors of sequences that lie end to end; (tokens, width).

        Sequences of similar length are padded together: an FFT takes a rectangle, and its time
        depends on the longest sequence. Each group makes the filters for its own length.
        """
        positions = packed_positions(len(tokens), lengths, tokens.device)
        groups = group_by_length(lengths, (positions == 0).nonzero().squeeze(1))
        parts = []
        for group in groups:
            hidden = self.encoder(tokens[group.index], group.mask).flatten(0, 1)
            parts.append(hidden if group.kept is None else hidden.index_select(0, group.kept))
        return scatter(parts, groups, 1, len(tokens))[0]

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens; (..., vocabulary) of (..., width)."""
        if isinstance(self.encoder, BothStrands):
            return self.encoder.scores(hidden)
        if self.output is not None:
            return self.output(hidden.to(self.output.weight.dtype))  # type: ignore[no-any-return]
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


def complements_of(words: Sequence[str]) -> list[int]:
    """Return the id of the reverse complement of each word, or its own where there is none.

    Parameters
    ----------
    words
        The vocabulary in the order of ids; IUPAC letters of either case, and special tokens.

    Examples
    --------
    >>> complements_of(["[PAD]", "A", "C", "G", "T", "N", "GA"])
    [0, 4, 3, 2, 1, 5, 6]
    """
    ids = {word: number for number, word in enumerate(words)}
    return [ids.get(word.translate(_COMPLEMENTS)[::-1], own) for own, word in enumerate(words)]


def _scores(hidden: Tensor, tokens: Tensor) -> Tensor:
    return functional.linear(hidden.to(tokens.dtype), tokens)
