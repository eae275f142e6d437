"""An encoder with a head for every token: classes of bases, or numbers of bins."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.models.feedforward import initialize
from pipeline_lib.models.hyena import Hyena
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.transformer import Transformer


class OffsetHead(nn.Linear):
    """A linear layer with corrections for the place of a base in its token.

    All bases of a token have one vector. What differs between them can be told by weights that
    differ: a vector added for each place would only shift all tokens alike. The corrections are 0
    at the beginning, so that places seen rarely keep what all places have in common.

    Parameters
    ----------
    width, outputs
        Of a token's vector, and numbers returned.
    offsets
        Places told apart; with 1 it is a plain linear layer.
    """

    def __init__(self, width: int, outputs: int, offsets: int) -> None:
        super().__init__(width, outputs)
        places = offsets if offsets > 1 else 0
        self.by_offset = nn.Parameter(torch.zeros(places, outputs, width))
        self.offset_bias = nn.Parameter(torch.zeros(places, outputs))

    def everywhere(self, hidden: Tensor) -> Tensor:
        """Return the outputs for every place in every token; (tokens, places, outputs)."""
        shared = self(hidden)[:, None]
        if not len(self.by_offset):
            return shared  # type: ignore[no-any-return]
        weights = self.by_offset.flatten(0, 1)
        own = functional.linear(hidden, weights, self.offset_bias.flatten())
        return shared + own.reshape(-1, *self.offset_bias.shape)  # type: ignore[no-any-return]


class TokenClassifier(nn.Module):
    """Encoder, and a linear layer whose outputs are laid out along the sequence.

    Parameters
    ----------
    encoder
        Pretrained or freshly initialised.
    outputs
        Numbers given for a bin.
    units
        Bins of a sequence.
    offsets
        Places of a base in its token that are told apart; 1 for bins of several bases, which
        are the mean over their bases.
    dropout
        Share of each token's vector that is dropped in training.
    """

    def __init__(
        self,
        encoder: Transformer | Hyena | BothStrands,
        outputs: int,
        units: int,
        *,
        offsets: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder, self.units = encoder, units
        self.dropout = nn.Dropout(dropout)
        self.head = OffsetHead(encoder.width, outputs, offsets)
        initialize(self.head, encoder.architecture.init_std)

    @property
    def outputs(self) -> int:
        """Numbers given for a sequence."""
        return self.units * self.head.out_features

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        units: Tensor,
        places: Tensor,
        offsets: Tensor,
        weights: Tensor,
    ) -> Tensor:
        """Return the outputs for each bin of each sequence.

        Parameters
        ----------
        tokens
            Ids; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        units
            Number of a bin in the batch: row * bins + bin; (pairs,).
        places
            Number of a token that covers it: row * length + token; (pairs,).
        offsets
            Which base of the token it is; (pairs,).
        weights
            Share of the token in the bin; those of a bin add up to 1. (pairs,).

        Returns
        -------
        Tensor
            (batch, bins * outputs).
        """
        hidden = self.encoder(tokens, mask)  # (batch, length, width)
        # The head computes in full precision: in bfloat16 many scores would be equal.
        hidden = self.dropout(hidden).to(self.head.weight.dtype).flatten(0, 1)
        count = len(tokens) * self.units
        with torch.autocast(hidden.device.type, enabled=False):
            if len(self.head.by_offset):
                every = self.head.everywhere(hidden)  # (batch * length, offsets, outputs)
                found = _spread(every[places, offsets], units, weights, count)
            else:
                # The mean first: there are fewer bins than bases, but maybe thousands of outputs.
                found = self.head(_spread(hidden[places], units, weights, count))
        return found.reshape(len(tokens), -1)


def _spread(values: Tensor, units: Tensor, weights: Tensor, count: int) -> Tensor:
    """Return the weighted sum of the values (pairs, width) of each bin; (count, width)."""
    weighted = values * weights[:, None]
    return weighted.new_zeros(count, values.shape[1]).index_add(0, units, weighted)
