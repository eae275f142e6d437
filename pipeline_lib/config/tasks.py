"""Section ``finetuning``: downstream tasks, one class for each type."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, TypeAdapter, model_validator

from pipeline_lib.config.base import Name, spread_defaults
from pipeline_lib.config.finetuning import FinetuningSettings, Pooling, Task
from pipeline_lib.config.tasks_dense import AnyDenseTask
from pipeline_lib.config.tasks_genome import CodonsTask, GenomeTask
from pipeline_lib.config.tasks_public import PublicTask

__all__ = ["AnyTask", "FinetuningConfig", "StartSitesTask", "TableTask", "Task", "parse_task"]


class StartSitesTask(CodonsTask):
    """True start codons against decoy ATGs, made from a genome and its annotation."""

    type: Literal["translation_initiation_sites"] = Field(
        description="`translation_initiation_sites`: true start codons against decoy ATGs."
    )
    assembly: Name = Field(description="Name of an entry of `genome.assemblies`.")


class TableTask(Task):
    """Your own examples, from a CSV, TSV or Parquet file (the former two may be gzipped)."""

    PATHS: ClassVar[tuple[str, ...]] = ("file", "train", "valid", "test")

    type: Literal["table"] = Field(description="`table`: your own file of examples.")
    file: str | None = Field(None, description="File of all examples.")
    train: str | None = Field(None, description="File of the training examples.")
    valid: str | None = Field(
        None, description="File of the validation examples; without it they are drawn from `train`."
    )
    test: str | None = Field(None, description="File of the test examples.")
    kind: Literal["class", "labels", "numbers"] = Field(
        "class",
        description="`class`: one of several classes; `labels`: any of several labels; `numbers`: "
        "measurements.",
    )
    target: tuple[str, ...] = Field(
        ("label",),
        min_length=1,
        description="Column with the class; columns with the labels (0, 1 or empty), or one with "
        "their names joined by `;`; columns with the numbers.",
    )
    sequence: str | None = Field(
        None,
        description="Column with the sequence; default: `sequence`, or with an `assembly` the "
        "columns contig, start, end (0-based, half-open) and, if there is one, strand.",
    )
    partner_column: str | None = Field(
        None, description="Column with the second sequence, for pairs of sequences."
    )
    number_columns: tuple[str, ...] = Field(
        (), description="Columns with further numbers that the model is given."
    )
    focus_column: str | None = Field(
        None, description="Column with the base (from 0) of the sequence that a row is about."
    )
    kind_column: str | None = Field(
        None, description="Column with the sort of example; scores are given for each."
    )
    group_column: str | None = Field(
        None, description="Column of what must not be in two splits: gene, locus, donor."
    )
    split_column: str | None = Field(
        None, description="Column with the published split: train, valid (or dev) and test."
    )
    contig_column: str = Field("contig", description="Column with the contig.")
    start_column: str = Field("start", description="Column with the first base, counted from 0.")
    end_column: str = Field("end", description="Column with the base after the last.")
    strand_column: str = Field("strand", description="Column with the strand, + or -; may lack.")
    pooling: Pooling = Field("mean", description="What the head sees; see `finetuning.pooling`.")

    @model_validator(mode="before")
    @classmethod
    def _one_target(cls, values: Any) -> Any:
        lists = ("target", "number_columns")
        if not isinstance(values, Mapping):
            return values
        return {k: (v,) if k in lists and isinstance(v, str) else v for k, v in values.items()}

    @model_validator(mode="after")
    def _files(self) -> Self:
        if (self.file is None) == (self.train is None):
            raise ValueError("give either `file` or `train` and `test`")
        if self.train is not None and self.test is None:
            raise ValueError("`train` is given without `test`")
        if self.file is not None and (self.valid is not None or self.test is not None):
            raise ValueError("`file` holds all examples: `valid` and `test` go with `train`")
        if self.kind == "class" and len(self.target) > 1:
            raise ValueError(
                f"`target` names {len(self.target)} columns, but with `kind: class` the class is "
                "in one: write `kind: labels` or `kind: numbers`"
            )
        return self


AnyTask = Annotated[
    StartSitesTask | TableTask | GenomeTask | AnyDenseTask | PublicTask, Field(discriminator="type")
]
TASK_TYPES: dict[str, type[Task]] = {
    get_args(task.model_fields["type"].annotation)[0]: task
    for task in get_args(get_args(AnyTask)[0])
}
"""The settings class of each type of task."""

TAKEN = frozenset({"embeddings", "pretraining", "variants", "zero"})
"""Names of other results in the folders where those of tasks are."""

_PARSER: TypeAdapter[AnyTask] = TypeAdapter(AnyTask)


def parse_task(values: Mapping[str, Any]) -> AnyTask:
    """Return the settings of a task from plain values, by its ``type``."""
    return _PARSER.validate_python(dict(values))


class FinetuningConfig(FinetuningSettings):
    """Tasks by name, and settings shared by all of them."""

    tasks: dict[Name, AnyTask] = Field(default_factory=dict, description="Tasks, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "tasks")

    @model_validator(mode="after")
    def _names(self) -> Self:
        taken = sorted(TAKEN & self.tasks.keys())
        if taken:
            raise ValueError(
                f"a task cannot be called {taken[0]!r}: results of that name are of something "
                "else; call it, for example, " + repr(f"{taken[0]}_task")
            )
        return self
