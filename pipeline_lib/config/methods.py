"""What of a model is tuned, and the values of settings that are tried for it."""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Section, Share
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import ConfigError

Pooling = Literal["mean", "cls", "last", "center", "attention"]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
SHORTEST = 3
"""Tokens of the shortest input: [CLS], one of a sequence, [SEP]."""
MOST_POINTS = 200
"""Larger grids are mistakes: every point is a run of its own, for each model."""


class Grid(Section):
    """Values to try in all combinations; what is best on the validation examples is used."""

    learning_rate: tuple[Positive, ...] = Field((), description="Peak learning rates to try.")
    batch_size: tuple[Count, ...] = Field((), description="Batch sizes to try.")
    weight_decay: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (), description="Weight decays to try."
    )
    epochs: tuple[Count, ...] = Field((), description="Numbers of epochs to try.")
    warmup_share: tuple[Share, ...] = Field((), description="Shares of the warm-up to try.")
    pooling: tuple[Pooling, ...] = Field((), description="Poolings to try.")
    lora_rank: tuple[Count, ...] = Field((), description="Ranks to try, for `method: lora`.")
    prompt_tokens: tuple[Count, ...] = Field(
        (), description="Lengths of the prompt to try, for `method: prompt`."
    )

    @model_validator(mode="after")
    def _several(self) -> Self:
        for name in self.tried:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"`{name}` names a value twice")
        count = len(self.points())
        if not 2 <= count <= MOST_POINTS:
            raise ValueError(f"{count} combinations of values; expected 2 to {MOST_POINTS}")
        return self

    @property
    def tried(self) -> list[str]:
        """Keys of which several values are tried."""
        return [name for name in type(self).model_fields if getattr(self, name)]

    def points(self) -> dict[str, dict[str, Any]]:
        """Return the combinations: settings by a name such as ``learning_rate=0.001``."""
        names = self.tried
        combinations = product(*(getattr(self, name) for name in names))
        points = (dict(zip(names, values, strict=True)) for values in combinations)
        return {
            ",".join(f"{name}={value}" for name, value in point.items()): point for point in points
        }


class MethodSettings(Section):
    """What of a model is tuned."""

    method: Literal["full", "lora", "probe", "prompt", "few_shot"] = Field(
        "full",
        description="`full`: all weights are tuned; `lora`: low-rank additions to the matrices "
        "(Hu et al. 2021); `prompt`: vectors before the tokens, of an encoder that stays as it is "
        "(Lester et al. 2021); `probe`: a linear model on what the untouched encoder gives; "
        "`few_shot`: a model of the next token is shown examples with their classes before the one "
        "in question, and tuned to say its class (Nguyen et al. 2023, section 4.3).",
    )
    lora_rank: int = Field(8, ge=1, description="For `lora`: rank of the additions.")
    lora_alpha: float = Field(
        16.0, gt=0, description="For `lora`: the additions are scaled by this over the rank."
    )
    prompt_tokens: int = Field(
        32,
        ge=1,
        le=32_768,
        description="For `prompt`: vectors before the tokens; they take room in the context.",
    )
    demonstrations: int = Field(
        2, ge=0, description="For `few_shot`: examples of each class that are shown before."
    )
    tuning_prompts: int | None = Field(
        None,
        ge=1,
        description="For `few_shot`: training examples that are asked for, drawn at random, of "
        "every class alike; default: all.",
    )
    pooling: Pooling = Field(
        "center",
        description="What the head sees: the mean over tokens; their mean with weights that are "
        "learnt (`attention`); the [CLS] token, for models of the next token the last one; the "
        "last token; or the tokens around the base that the example is about, beside the mean "
        "(`center`).",
    )
    grid: Grid | None = Field(
        None,
        description="Settings of which several values are tried, each in a run of its own; the "
        "choice is made on the validation examples, and the runs of `seeds` use it.",
    )

    @model_validator(mode="after")
    def _fits_method(self) -> Self:
        poolings = {self.pooling, *(self.grid.pooling if self.grid else ())}
        if self.method == "probe" and "attention" in poolings:
            raise ValueError(
                "`pooling: attention` is learnt by training, but `method: probe` trains no more "
                "than the linear model: write `pooling: mean`, or `method: lora`"
            )
        if self.grid is None:
            return self
        useless = set(self.grid.tried) & _without_effect(self.method)
        if useless:
            raise ValueError(
                f"`grid.{min(useless)}` changes nothing with `method: {self.method}`: leave it out"
            )
        return self

    def point(self, name: str) -> dict[str, Any]:
        """Return the settings of one combination of the grid."""
        return self.grid.points()[name] if self.grid else {}


def _without_effect(method: str) -> set[str]:
    """Return the keys of a grid that a method does not heed."""
    own = {"lora_rank": "lora", "prompt_tokens": "prompt"}
    useless = {key for key, owner in own.items() if owner != method}
    if method == "few_shot":
        useless.add("pooling")
    return useless if method != "probe" else set(Grid.model_fields) - {"pooling"}


def check_methods(
    tasks: Mapping[str, MethodSettings], architectures: Mapping[str, AnyArchitecture]
) -> None:
    """Refuse what cannot be tuned that way, before anything is trained.

    Parameters
    ----------
    tasks
        Tasks of the run, by name.
    architectures
        Shapes of its models, by name.

    Raises
    ------
    ConfigError
        If prompts are too long for a model, or a model predicts no next token where it has to.
    """
    for task, settings in tasks.items():
        for model, shape in architectures.items():
            key, problem, remedy = _mismatch(settings, shape)
            if problem:
                raise ConfigError(
                    f"{problem}, and {model!r} is to be tuned to it",
                    where=f"finetuning.tasks.{task}.{key}",
                    remedy=remedy,
                )


def _mismatch(settings: MethodSettings, shape: AnyArchitecture) -> tuple[str, str, str]:
    """Return a key, what is wrong with it for a model ("" if nothing is), and the remedy."""
    if settings.method == "few_shot" and not _causal(shape):
        return (
            "method",
            "`few_shot` asks a model for the next token",
            "write another `method`, or run causal models alone, such as HyenaDNA or DNAGPT",
        )
    if settings.method != "prompt":
        return "", "", ""
    if getattr(shape, "memory", None) is not None:
        return "method", "`prompt` is not for models with recurrent memory", "write `lora`"
    longest = max(settings.prompt_tokens, *(settings.grid.prompt_tokens if settings.grid else (0,)))
    if longest + SHORTEST > shape.input_length:
        return (
            "prompt_tokens",
            f"{longest:,} vectors leave no room in a context of {shape.input_length:,} tokens",
            "lower `prompt_tokens`, or take a model with a larger `context_length`",
        )
    return "", "", ""


def _causal(shape: AnyArchitecture) -> bool:
    if isinstance(shape, HyenaArchitecture):
        return not shape.bidirectional
    return shape.attention == "causal"
