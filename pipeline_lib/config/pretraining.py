"""Section ``pretraining``: models, what they are trained on, and for how long."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section, Share, spread_defaults
from pipeline_lib.config.launching import Parallel
from pipeline_lib.config.training import OptimizerSettings


class LengthWarmup(Section):
    """Short inputs first (Nguyen et al. 2023, section 3.2): the length doubles at each stage."""

    start: int = Field(64, ge=8, description="Tokens of an input at the first stage.")
    steps: int = Field(
        1_000, ge=1, description="Optimizer steps until the whole context is in use."
    )


class NumberTasks(Section):
    """Tasks of DNAGPT besides the next token (Zhang et al. 2023); the shares are not published."""

    order_share: Share = Field(
        0.1, description="Share of samples of which the model is to say whether they were turned."
    )
    number_share: Share = Field(
        0.1, description="Share of samples of which the model is to say the share of G and C."
    )
    number_weight: float = Field(
        0.01, ge=0, description="Weight of the squared error of numbers in the loss."
    )
    order_transform: Literal["reverse", "reverse_complement"] = Field(
        "reverse", description="How half of the samples for `order_share` are turned."
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.order_share + self.number_share > 1:
            raise ValueError("`order_share` and `number_share` are more than 1 together")
        return self


class PretrainingSettings(OptimizerSettings, Parallel):
    """What a model learns to predict, and for how long it is trained."""

    objective: Literal["auto", "masked", "next"] = Field(
        "auto",
        description="Predict masked tokens or the next one; `auto`: the one that the "
        "architecture is made for.",
    )
    steps: int = Field(500_000, ge=1, description="Optimizer steps.")
    minutes: float | None = Field(
        None,
        gt=0,
        description="Train for so long instead of for `steps`, validation included. The learning "
        "rate falls with the clock: two runs are then not equal to the last bit.",
    )
    batch_size: int = Field(256, ge=1, description="Sequences per optimizer step.")
    warmup_steps: int = Field(
        10_000, ge=0, description="Steps over which the learning rate rises from 0."
    )
    length_warmup: LengthWarmup | None = Field(
        None,
        description="Shorter inputs at first, more of them in a batch, so that a batch holds as "
        "many tokens. For recurrent memory: few segments at first.",
    )
    short_share: Share = Field(
        0.0,
        description="Share of samples that are cut to a random length (GENA-LM: 0.1), so that "
        "the model knows short inputs too.",
    )
    mask_share: Share = Field(0.15, description="Share of tokens to be predicted.")
    mask_span: int = Field(
        1,
        ge=1,
        le=20,
        description="Longest run of tokens masked together; a run of n is drawn with a chance "
        "proportional to 1/n (GENA-LM: 3).",
    )
    sentence_order: bool = Field(
        False,
        description="Also learn to tell whether the two halves of a sample were swapped (the "
        "first GENA-LM models).",
    )
    number_tasks: NumberTasks | None = Field(
        None,
        description="The tasks of DNAGPT besides the next token. Needs `vocabulary: dnagpt` of "
        "the tokenizer and `numbers: true` of the architecture.",
    )
    repeat_weight: Share = Field(
        1.0,
        description="Weight in the training loss of soft-masked bases, which are mostly repeats; "
        "1 counts them like all others, 0 not at all. Validation always counts them.",
    )
    average_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Keep a running mean of the weights with this decay (0.999, say), validate "
        "it, and make it the result.",
    )
    max_bad_steps: int = Field(
        3,
        ge=0,
        description="Steps in a row with a loss or gradient that is not finite which are left "
        "out, and written down with the batch, before the run is stopped.",
    )
    log_every: int = Field(50, ge=1, description="Steps between two lines of metrics.jsonl.")
    validate_every: int = Field(1_000, ge=1, description="Steps between two validations.")
    validation_sequences: int = Field(
        1_024, ge=1, description="Sequences of the validation split used for each validation."
    )
    checkpoint_every: int = Field(1_000, ge=1, description="Steps between two checkpoints.")
    keep_checkpoints: int = Field(
        2,
        ge=1,
        description="How many of the newest are kept. Each holds the best weights as well.",
    )
    trackers: tuple[Literal["tensorboard", "trackio"], ...] = Field(
        (), description="Where metrics are written besides metrics.jsonl; installed separately."
    )


class Model(PretrainingSettings):
    """A model: a corpus, a tokenizer, an architecture and a training run."""

    corpus: Name = Field(
        description="Name of an entry of `corpus.corpora`; validation is on its held-out part."
    )
    mix: dict[Name, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Corpora to train on, with their weights, such as `{human: 1, mouse: 0.5}`; "
        "default: `corpus` alone.",
    )
    tokenizer: Name = Field(description="Name of an entry of `tokenizer.tokenizers`.")
    preset: str = Field(description="Architecture: name of a file in `config/models/`.")
    architecture: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the preset to change for this model."
    )

    @property
    def sources(self) -> dict[str, float]:
        """Corpora that the model is trained on, with their weights."""
        return dict(self.mix) or {self.corpus: 1.0}


class PretrainingConfig(PretrainingSettings):
    """Models by name, and settings shared by all of them."""

    models: dict[Name, Model] = Field(default_factory=dict, description="Models, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "models")
