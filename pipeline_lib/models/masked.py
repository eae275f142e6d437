"""A Transformer that predicts masked tokens (Devlin et al. 2019)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.transformer import Transformer, initialize


class MaskedLanguageModel(nn.Module):
    """Encoder and output layer; the output matrix is the token embedding."""

    def __init__(self, architecture: Architecture, vocab_size: int) -> None:
        super().__init__()
        self.encoder = Transformer(architecture, vocab_size)
        self.transform = nn.Linear(architecture.width, architecture.width)
        self.norm = nn.LayerNorm(architecture.width, eps=architecture.norm_epsilon)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        initialize(self.transform, architecture.init_std)

    def forward(self, tokens: Tensor, mask: Tensor | None, targets: Tensor) -> Tensor:
        """Return the scores of all tokens at some positions.

        Parameters
        ----------
        tokens
            Ids, some of them masked; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        targets
            True at the positions to predict; (batch, length). The output layer, the dearest part
            of a small model with a large vocabulary, is computed nowhere else.

        Returns
        -------
        Tensor
            Logits in the order of the positions; (targets, vocabulary).
        """
        hidden = self.encoder(tokens, mask).flatten(0, 1)
        chosen = hidden.index_select(0, targets.flatten().nonzero().squeeze(1))
        chosen = self.norm(functional.gelu(self.transform(chosen)))
        return functional.linear(chosen, self.encoder.tokens.weight, self.bias)

    def start_from_frequencies(self, counts: Tensor) -> None:
        """Set the output bias to the log frequencies of tokens, counted in the training data.

        The first few hundred steps are then not spent on learning how frequent tokens are.
        """
        shares = (counts.double() + 0.5) / (counts.double() + 0.5).sum()
        with torch.no_grad():
            self.bias.copy_(shares.log().float())
