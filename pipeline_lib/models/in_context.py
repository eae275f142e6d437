"""A model of the next token as a classifier: which of some tokens follows the input."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline_lib.errors import InputError
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.classifier import at_end
from pipeline_lib.models.hyena_language import HyenaLanguageModel


class InContextClassifier(nn.Module):
    """A language model that says the class of an input by its next token.

    Parameters
    ----------
    model
        Of the next token.
    labels
        Id of the token that stands for each class.

    Raises
    ------
    InputError
        If the model predicts masked tokens.
    """

    labels: Tensor

    def __init__(self, model: nn.Module, labels: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(model, CausalLanguageModel | HyenaLanguageModel) or not model.causal:
            raise InputError(
                "`method: few_shot` with a model of masked tokens",
                expected="a model of the next token, whose answer is what follows the input",
                remedy="write another `method`, or tune a causal model, such as a preset of "
                "HyenaDNA or DNAGPT",
            )
        self.model = model
        self.register_buffer("labels", torch.tensor(labels), persistent=False)

    @property
    def outputs(self) -> int:
        """Numbers given for an input: one for each class."""
        return len(self.labels)

    def forward(
        self, tokens: Tensor, mask: Tensor | None, focus: Tensor, numbers: Tensor | None = None
    ) -> Tensor:
        """Return the score of each class after the last token; (batch, classes).

        Parameters
        ----------
        tokens
            Ids; (batch, length).
        mask
            True where there is a token, or None; (batch, length).
        focus, numbers
            Not heeded: the same arguments as other classifiers have.
        """
        hidden = self.model.encoder(tokens, mask)  # (batch, length, width)
        return self.model.scores(at_end(hidden, mask))[:, self.labels].float()
