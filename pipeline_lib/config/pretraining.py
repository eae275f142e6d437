"""Section ``pretraining``: models, what they are trained on, and for how long."""

from typing import Any

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Share, spread_defaults
from pipeline_lib.config.training import OptimizerSettings


class PretrainingSettings(OptimizerSettings):
    """Masked language modelling (Devlin et al. 2019)."""

    steps: int = Field(500_000, ge=1, description="Optimizer steps.")
    batch_size: int = Field(256, ge=1, description="Sequences per optimizer step.")
    warmup_steps: int = Field(
        10_000, ge=0, description="Steps over which the learning rate rises from 0."
    )
    mask_share: Share = Field(0.15, description="Share of tokens to be predicted.")
    repeat_weight: Share = Field(
        1.0,
        description="Weight in the training loss of soft-masked bases, which are mostly repeats; "
        "1 counts them like all others, 0 not at all. Validation always counts them.",
    )
    log_every: int = Field(50, ge=1, description="Steps between two lines of metrics.jsonl.")
    validate_every: int = Field(1_000, ge=1, description="Steps between two validations.")
    validation_sequences: int = Field(
        1_024, ge=1, description="Sequences of the validation split used for each validation."
    )
    checkpoint_every: int = Field(1_000, ge=1, description="Steps between two checkpoints.")
    keep_checkpoints: int = Field(2, ge=1, description="How many of the newest are kept.")


class Model(PretrainingSettings):
    """A model: a corpus, a tokenizer, an architecture and a training run."""

    corpus: Name = Field(description="Name of an entry of `corpus.corpora`.")
    tokenizer: Name = Field(description="Name of an entry of `tokenizer.tokenizers`.")
    preset: str = Field(description="Architecture: name of a file in `config/models/`.")
    architecture: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the preset to change for this model."
    )


class PretrainingConfig(PretrainingSettings):
    """Models by name, and settings shared by all of them."""

    models: dict[Name, Model] = Field(default_factory=dict, description="Models, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "models")
