"""The card of a model: what it is, how it was trained, and what its figure means."""

import json

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.pretraining.folder import how_to_load
from pipeline_lib.pretraining.training import Training

FAMILIES = {
    "bert": "BERT",
    "bigbird": "BigBird",
    "modernbert": "ModernBERT",
    "albert": "ALBERT",
    "gpt2": "GPT",
    "hyena": "HyenaDNA",
}
CARD = """# {name}

A DNA language model: a {family} of {layers} layers, {width} wide, with {parameters:,} parameters
and a context of {length:,} tokens.

{loading}

## Training

Trained by {objective} on corpus {corpus} with tokenizer `{tokenizer}`: {steps:,} steps of
{batch_size} sequences, {passes:.2f} passes over the training samples. The weights are those of the
best validation: {best:.4f} bits per base of the predicted tokens, on held-out contigs.

## Limits

{measure} Sequence outside of the training species was not seen. See `config.yaml` beside this
folder for every setting, version and checksum.
"""


def model_card(
    name: str,
    settings: Model,
    shape: AnyArchitecture,
    training: Training,
    model: LanguageModel,
) -> str:
    """Return the README of a model folder.

    Parameters
    ----------
    name
        Name of the model.
    training
        The finished run.
    model
        The model with its best weights.
    """
    last = [json.loads(line) for line in training.metrics.read_text().splitlines()]
    best = min((line["valid_bits_per_base"] for line in last if "valid_loss" in line), default=0.0)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    passes = training.step * settings.batch_size / len(training.stream.samples)
    return CARD.format(
        name=name,
        family=FAMILIES[shape.family],
        layers=shape.layers,
        width=shape.width,
        parameters=parameters,
        length=shape.input_length,
        loading=how_to_load(shape),
        objective=(
            "prediction of the next token"
            if model.causal
            else f"masked language modelling ({settings.mask_share:.0%} of the tokens)"
        ),
        corpus=", ".join(f"`{source}`" for source in settings.sources),
        tokenizer=settings.tokenizer,
        steps=training.step,
        batch_size=settings.batch_size,
        passes=passes,
        best=best,
        measure=(
            "The figure is a likelihood of tokens, each predicted from those before it in its "
            "input."
            if model.causal
            else "The figure is a pseudo-likelihood, not a likelihood: a masked model sees both "
            "sides of a token."
        ),
    )
