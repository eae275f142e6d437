"""An encoder with a linear head: classes, labels or numbers of sequences."""

import torch
from torch import Tensor, nn

from pipeline_lib.models.feedforward import initialize
from pipeline_lib.models.hyena import Hyena
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.prompt import SoftPrompt, prompt_vectors
from pipeline_lib.models.transformer import Transformer

POOLINGS = ("mean", "cls", "last", "center", "attention")
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
        ``mean``: the mean over tokens; ``attention``: their mean with weights, the softmax of the
        product of each token's vector with a learned one, which begins as 0; ``cls``: the first
        token; ``last``: the last one; ``center``: the focus token and its two neighbours on each
        side, each with weights of its own, beside the mean.
    dropout
        Share of the pooled vector that is dropped in training.
    numbers
        How many numbers are given with each sequence; the head sees them beside the pooled vector.
    causal
        Whether tokens see those before them alone: ``cls`` is then the last token.
    prompt_tokens
        Learned vectors before the tokens, of an encoder that is then frozen; 0 for none. They are
        not pooled.

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
        prompt_tokens: int = 0,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling {pooling!r} is none of {', '.join(POOLINGS)}")
        self.encoder, self.pooling, self.causal = encoder, pooling, causal
        self.pooled_width = encoder.width * (2 * NEIGHBOURS + 2 if pooling == "center" else 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.pooled_width + numbers, outputs)
        initialize(self.head, encoder.architecture.init_std)
        self.query = nn.Parameter(torch.zeros(encoder.width)) if pooling == "attention" else None
        self.prompt = SoftPrompt(encoder, prompt_tokens) if prompt_tokens else None

    @property
    def outputs(self) -> int:
        """Numbers given for a sequence."""
        return self.head.out_features

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.head.weight.device

    def own_weights(self) -> dict[str, Tensor]:
        """Return what is learnt beside the weights of the encoder, by name: the very tensors."""
        own = {name: weight.data for name, weight in self.head.named_parameters()}
        if self.query is not None:
            own["query"] = self.query.data
        if self.prompt is not None:
            own["prompt"] = prompt_vectors(self.encoder).data
        return own

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
        hidden = self.hidden(tokens, mask)
        if self.pooling == "cls" and not self.causal:
            return hidden[:, 0]
        if self.pooling in ("cls", "last"):
            return at_end(hidden, mask)
        if self.query is not None:
            return self._attended(hidden, mask)
        if mask is None:
            mean = hidden.mean(dim=1)
        else:
            weights = mask[..., None].to(hidden.dtype)
            mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        if self.pooling == "mean":
            return mean
        steps = torch.arange(-NEIGHBOURS, NEIGHBOURS + 1, device=focus.device)
        index = (focus[:, None] + steps).clamp(0, hidden.shape[1] - 1)  # (batch, 5)
        around = hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[2]))
        return torch.cat([around.flatten(1), mean], dim=1)

    def hidden(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Return the hidden vectors of tokens, those of a prompt left out; (batch, length, w)."""
        if self.prompt is None:
            return self.encoder(tokens, mask)  # type: ignore[no-any-return]
        found: Tensor = self.encoder(*self.prompt(tokens, mask))
        return found[:, self.prompt.count :]

    def _attended(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        assert self.query is not None
        scores = (hidden.float() @ self.query) * hidden.shape[2] ** -0.5  # (batch, length)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        weights = scores.softmax(dim=1).to(hidden.dtype)
        return (weights[..., None] * hidden).sum(dim=1)  # type: ignore[no-any-return]


def at_end(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Return the vector of each sequence's last token; (batch, width) of (batch, length, width)."""
    if mask is None:
        return hidden[:, -1]
    return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
