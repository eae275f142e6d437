"""The classifier of a task: an encoder with the head that its target needs."""

from pathlib import Path

import torch

from pipeline_lib.finetuning.dense_encoding import offsets_of
from pipeline_lib.finetuning.dense_losses import Dense
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.losses import Objective
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.dense import TokenClassifier
from pipeline_lib.models.in_context import InContextClassifier

AnyClassifier = SequenceClassifier | TokenClassifier | InContextClassifier


def make_classifier(
    language_model: LanguageModel,
    target: Target,
    tokenizer: Path,
    *,
    pooling: str,
    dropout: float,
    numbers: int,
    prompt_tokens: int = 0,
) -> SequenceClassifier | TokenClassifier:
    """Return an encoder with a head of random weights.

    Parameters
    ----------
    language_model
        Whose encoder is taken.
    target
        What is to be predicted.
    tokenizer
        ``tokenizer.json``.
    pooling, dropout, numbers, prompt_tokens
        See :class:`pipeline_lib.models.classifier.SequenceClassifier`; with targets along the
        sequence there is no pooling, no prompt, and there are no numbers.
    """
    if target.dense:
        offsets = offsets_of(tokenizer) if target.kind == "bases" else 1
        return TokenClassifier(
            language_model.encoder,
            len(target.names),
            target.units,
            offsets=offsets,
            dropout=dropout,
        )
    return SequenceClassifier(
        language_model.encoder,
        target.outputs,
        pooling,
        dropout,
        numbers=numbers,
        causal=language_model.causal,
        prompt_tokens=prompt_tokens,
    )


def set_bias(classifier: AnyClassifier, objective: Objective) -> None:
    """Let a head for targets along the sequence begin with what is most frequent everywhere.

    Rare classes, such as splice sites, would otherwise spend the first epoch on learning that
    they are rare (Lin et al. 2017, section 3.3).
    """
    if isinstance(objective, Dense):
        assert isinstance(classifier, TokenClassifier)
        with torch.no_grad():
            classifier.head.bias.copy_(torch.from_numpy(objective.bias()))
