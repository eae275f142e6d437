"""Section ``finetuning``: downstream tasks, and how a model is tuned to them."""

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Share, spread_defaults
from pipeline_lib.config.corpus import Holdouts
from pipeline_lib.config.launching import Launching
from pipeline_lib.config.training import OptimizerSettings


class FinetuningSettings(OptimizerSettings, Launching):
    """How a pretrained model is tuned to a task."""

    epochs: int = Field(10, ge=1, description="Most passes over the training examples.")
    batch_size: int = Field(32, ge=1, description="Examples per optimizer step.")
    warmup_share: Share = Field(0.1, description="Share of all steps in which the rate rises.")
    patience: int = Field(
        3, ge=1, description="Epochs without a better validation score before stopping early."
    )
    seeds: tuple[int, ...] = Field(
        (1, 2, 3), min_length=1, description="One run for each seed; scores show their spread."
    )
    pooling: Literal["mean", "cls", "center"] = Field(
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


class Task(FinetuningSettings):
    """A downstream task, made from a genome and its annotation."""

    type: Literal["translation_initiation_sites"] = Field(
        description="`translation_initiation_sites`: true start codons against decoy ATGs."
    )
    assembly: Name = Field(description="Name of an entry of `genome.assemblies`.")
    upstream: int = Field(300, ge=0, description="Bases before the site in an example.")
    downstream: int = Field(300, ge=0, description="Bases after the site's codon in an example.")
    holdouts: Holdouts = Field(
        Holdouts(), description="Contigs of the validation and test examples."
    )
    max_training_sites: int | None = Field(
        None,
        ge=1,
        description="Most true sites in the training split, chosen at random; none for all.",
    )
    decoys_per_site: int = Field(1, ge=1, description="Decoys of each kind for every true site.")
    homology_kmer: int = Field(
        15, ge=8, le=31, description="Length of the k-mers by which homologous examples are found."
    )
    homology_shared: int = Field(
        20, ge=1, description="Two examples that share this many k-mers are homologous."
    )


class FinetuningConfig(FinetuningSettings):
    """Tasks by name, and settings shared by all of them."""

    tasks: dict[Name, Task] = Field(default_factory=dict, description="Tasks, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "tasks")
