"""An encoder with a linear head: classes, labels or numbers of sequences."""

import torch
from torch import Tensor, nn

from pipeline_lib.models.feedforward import initialize
from pipeline_lib.models.hyena import Hyena
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.transformer import Transformer

POOLINGS = ("mean", "cls", "center")
NEIGHBOURS = 2
"""Tokens on either side of the focus that the pooling ``center`` sees one by one."""


class SequenceClassifier(nn.Module):
    """Encoder, pooling and a linear layer.

    Parameters
    ----------
    encoder
        Pretrained or freshly initialised.
    outputs
        Numbers given for a sequence: one for each class, label or measurement.
    pooling
        ``mean``: the mean over tokens; ``cls``: the first token; ``center``: the focus token and
        its two neighbours on each side, each with weights of its own, beside the mean.
    dropout
        Share of the pooled vector that is dropped in training.
    numbers
        How many numbers are given with each sequence; the head sees them beside the pooled vector.
    causal
        Whether tokens see those before them alone: ``cls`` is then the last token.

    Raises
    ------
    ValueError
        If there is no such pooling.
    """

    def __init__(
        self,
        encoder: Transformer | Hyena | BothStrands,
        outputs: int,
        pooling: str,
        dropout: float = 0.1,
        *,
        numbers: int = 0,
        causal: bool = False,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling {pooling!r} is none of {', '.join(POOLINGS)}")
        self.encoder, self.pooling, self.causal = encoder, pooling, causal
        self.pooled_width = encoder.width * (2 * NEIGHBOURS + 2 if pooling == "center" else 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.pooled_width + numbers, outputs)
        initialize(self.head, encoder.architecture.init_std)

    def forward(
        self, tokens: Tensor, mask: Tensor | None, focus: Tensor, numbers: Tensor | None = None
    ) -> Tensor:
        """Return the outputs for each sequence.

        Parameters
        ----------
        tokens
            Ids; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        focus
            Index of the token that the example is about; (batch,).
        numbers
            Of mean 0 and variance 1, or None if there are none; (batch, numbers).

        Returns
        -------
        Tensor
            (batch, outputs).
        """
        # The head computes in full precision: in bfloat16 many scores would be equal.
        pooled = self.dropout(self.pool(tokens, mask, focus)).to(self.head.weight.dtype)
        if numbers is not None:
            pooled = torch.cat([pooled, numbers.to(pooled.dtype)], dim=1)
        with torch.autocast(pooled.device.type, enabled=False):
            return self.head(pooled)  # type: ignore[no-any-return]

    def pool(self, tokens: Tensor, mask: Tensor | None, focus: Tensor) -> Tensor:
        """Return what the encoder gives of each sequence; (batch, pooled width)."""
        hidden = self.encoder(tokens, mask)  # (batch, length, width)
        if self.pooling == "cls" and not self.causal:
            return hidden[:, 0]  # type: ignore[no-any-return]
        if self.pooling == "cls":
            last = hidden.new_full((len(hidden),), hidden.shape[1] - 1, dtype=torch.long)
            last = last if mask is None else mask.sum(dim=1) - 1
            return hidden[torch.arange(len(hidden), device=hidden.device), last]  # type: ignore[no-any-return]
        if mask is None:
            mean = hidden.mean(dim=1)
        else:
            weights = mask[..., None].to(hidden.dtype)
            mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        if self.pooling == "mean":
            return mean  # type: ignore[no-any-return]
        steps = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1, device=focus.device)
        index = (focus[:, None] + steps).clamp(0, hidden.shape[1] - 1)  # (batch, 5)
        around = hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[2]))
        return torch.cat([around.flatten(1), mean], dim=1)
