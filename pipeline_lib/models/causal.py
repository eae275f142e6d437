"""A Transformer that predicts the next token, and numbers (GPT-2; DNAGPT, Zhang et al. 2023)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.embedding import Numbers
from pipeline_lib.models.feedforward import Perceptron, initialize
from pipeline_lib.models.transformer import Transformer


class CausalLanguageModel(nn.Module):
    """Decoder, output layer and, with the setting ``numbers``, a head that predicts a number."""

    causal = True
    packs = True

    def __init__(self, architecture: Architecture, vocab_size: int) -> None:
        super().__init__()
        if architecture.attention != "causal":
            raise InputError(
                f"a model of the next token with `attention: {architecture.attention}`",
                expected="`attention: causal`: the next token must not be seen",
                remedy="choose another preset, such as dnagpt-h",
            )
        width, bias, epsilon = architecture.width, architecture.bias, architecture.norm_epsilon
        self.encoder = Transformer(architecture, vocab_size)
        own = architecture.output == "mlp"
        self.head = Perceptron((width, width, vocab_size), bias, epsilon) if own else None
        self.regression = (
            Perceptron((width, width, 1), bias, epsilon) if architecture.numbers else None
        )
        for part in (self.head, self.regression):
            if part is not None:
                initialize(part, architecture.init_std)

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        targets: Tensor,
        *,
        lengths: Sequence[int] | None = None,
        numbers: Numbers | None = None,
    ) -> Tensor:
        """Return the scores of the token that follows, at some positions.

        Parameters
        ----------
        tokens
            Ids; (batch, length), or (tokens,) of sequences end to end.
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the positions whose next token is asked for; of the shape of ``tokens``,
            spliced numbers included.
        lengths
            Of the sequences that lie end to end.
        numbers
            Numbers to splice into the stream.

        Returns
        -------
        Tensor
            Logits in the order of the positions; (targets, vocabulary).
        """
        hidden = self.encoder(tokens, mask, lengths=lengths, numbers=numbers).flatten(0, -2)
        return self.scores(hidden.index_select(0, targets.flatten().nonzero().squeeze(1)))

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens; (..., vocabulary) of (..., width)."""
        if self.head is not None:
            return self.head(hidden)  # type: ignore[no-any-return]
        return functional.linear(hidden, self.encoder.tokens.weight)

    def numbers(self, hidden: Tensor) -> Tensor:
        """Return the numbers predicted at some tokens; (...) of (..., width).

        Raises
        ------
        InputError
            If the model has no such head.
        """
        if self.regression is None:
            raise InputError(
                "the model has no head for numbers",
                remedy="set `numbers: true` in its architecture and train it again",
            )
        return self.regression(hidden).squeeze(-1)  # type: ignore[no-any-return]

    def next_scores(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the scores of what follows the last token; (batch, vocabulary)."""
        return self.scores(self.encoder(tokens, cache=cache)[:, -1])

    def regress(
        self, tokens: Tensor, mask: Tensor | None = None, numbers: Numbers | None = None
    ) -> Tensor:
        """Return the number predicted at the last token of each sequence; (batch,).

        Raises
        ------
        InputError
            If the model has no such head.
        """
        hidden = self.encoder(tokens, mask, numbers=numbers)
        if mask is None:
            return self.numbers(hidden[:, -1])
        last = mask.sum(dim=1) - 1
        index = last[:, None, None].expand(-1, 1, hidden.shape[2])
        return self.numbers(hidden.gather(1, index)[:, 0])
