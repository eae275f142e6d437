"""How a model is tuned to a task, and what all tasks have in common."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section, Share
from pipeline_lib.config.corpus import Holdouts
from pipeline_lib.config.launching import Launching
from pipeline_lib.config.training import OptimizerSettings

Pooling = Literal["mean", "cls", "center"]


class FinetuningSettings(OptimizerSettings, Launching):
    """How a pretrained model is tuned to a task."""

    protocol: Literal["strict", "paper", "both"] = Field(
        "strict",
        description="`strict`: examples alike are never in two splits; `paper`: split as "
        "published, with whatever leaks; `both`: the tasks NAME (strict) and NAME.paper.",
    )
    method: Literal["full", "lora", "probe"] = Field(
        "full",
        description="`full`: all weights are tuned; `lora`: low-rank additions to the matrices "
        "(Hu et al. 2021); `probe`: a linear model on what the untouched encoder gives.",
    )
    lora_rank: int = Field(8, ge=1, description="For `lora`: rank of the additions.")
    lora_alpha: float = Field(
        16.0, gt=0, description="For `lora`: the additions are scaled by this over the rank."
    )
    epochs: int = Field(10, ge=1, description="Most passes over the training examples.")
    batch_size: int = Field(32, ge=1, description="Examples per optimizer step.")
    warmup_share: Share = Field(0.1, description="Share of all steps in which the rate rises.")
    patience: int = Field(
        3, ge=1, description="Epochs without a better validation score before stopping early."
    )
    seeds: tuple[int, ...] = Field(
        (1, 2, 3), min_length=1, description="One run for each seed; scores show their spread."
    )
    pooling: Pooling = Field(
        "center",
        description="What the head sees: the mean over tokens, the [CLS] token, or the tokens "
        "around the base that the example is about.",
    )
    both_strands: bool = Field(
        False,
        description="Train on both strands of every training example, and score the mean of what "
        "the model says of either (post-hoc conjoining, Zhou et al. 2022).",
    )
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="Weigh classes by how rare they are, or equally."
    )
    label_weights: Literal["balanced", "none"] = Field(
        "none",
        description="For several labels: weigh the presence of each by how rare it is, or not.",
    )
    too_long: Literal["error", "crop"] = Field(
        "error",
        description="An example longer than the model reads: stop, or crop it around the base "
        "that it is about.",
    )


class Shares(Section):
    """How examples are divided where the split is drawn at random; the rest is for training."""

    valid: Share = Field(0.15, description="Share of the examples for validation.")
    test: Share = Field(0.25, description="Share of the examples for the test.")

    @model_validator(mode="after")
    def _some_left(self) -> Self:
        if self.valid + self.test >= 1:
            raise ValueError(f"`valid` and `test` add up to {self.valid + self.test:g}; less than 1"
                             " would leave examples to train on")  # fmt: skip
        return self


class Task(FinetuningSettings):
    """What all downstream tasks have in common."""

    PATHS: ClassVar[tuple[str, ...]] = ()
    """Keys that hold a path, a tuple of paths or None; paths may be folders or patterns."""

    type: str
    assembly: Name | None = Field(
        None, description="Name of an entry of `genome.assemblies`, for tasks given as places."
    )
    holdouts: Holdouts = Field(
        Holdouts(), description="Contigs of the validation and test examples."
    )
    shares: Shares = Field(Shares(), description="Splits drawn at random.")
    homology_kmer: int = Field(
        15, ge=8, le=31, description="Length of the k-mers by which homologous examples are found."
    )
    homology_shared: int = Field(
        20, ge=1, description="Two examples that share this many k-mers are homologous."
    )

    def paths(self) -> list[tuple[str, str]]:
        """Return the files, folders and patterns that the task names, each with its key."""
        found: list[tuple[str, str]] = []
        for key in self.PATHS:
            value = getattr(self, key)
            values = (value,) if isinstance(value, str) else value or ()
            found.extend((key, path) for path in values)
        return found

    def example_settings(self) -> dict[str, Any]:
        """Return the settings that decide which examples there are, as plain values."""
        others = set(FinetuningSettings.model_fields) - {"protocol"}
        return self.model_dump(mode="json", exclude=others)

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return False
