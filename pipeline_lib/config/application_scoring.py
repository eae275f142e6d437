"""Entries `application.scores` and `application.priorities`: variants."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from pydantic import Field

from pipeline_lib.config.base import Name, Section

Known = Callable[[str, str, Collection[str]], None]


class ScoreSettings(Section):
    """How variants are scored."""

    window: int = Field(
        0,
        ge=0,
        description="Bases around a variant that the model reads; 0: as many as fit into its "
        "context, up to 2,048.",
    )
    embedding: bool = Field(
        False,
        description="Of pretrained models: also tell how far the mean embedding of the window "
        "moves. Both windows are then read as a whole on either strand, which takes ten times as "
        "long and more.",
    )
    layout: Literal["auto", "fields", "lists", "strongest"] = Field(
        "auto",
        description="Of tuned models: `fields`: INFO fields for every output; `lists`: one field "
        "with the values of all outputs; `strongest`: only the output that changes most; `auto`: "
        "`fields` of up to 8 outputs, `strongest` of more.",
    )
    prefix: str = Field(
        "DNALM",
        pattern="^[A-Za-z_][0-9A-Za-z_]*$",
        description="What the names of all INFO fields begin with.",
    )
    max_mismatch: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of records whose reference allele may differ from the genome's.",
    )
    part_records: int = Field(
        1_000, ge=1, description="Records scored at a time: what is kept if the run is killed."
    )
    batch_tokens: int = Field(
        8_192, ge=1, description="Tokens that a pretrained model reads at a time."
    )


class Scores(ScoreSettings):
    """A file of variants that all models score."""

    file: str = Field(description="VCF, plain or bgzip, or BCF; sorted.")
    assembly: Name = Field(description="The version of the genome that the file was made for.")
    task: Name | None = Field(
        None,
        description="Score by the models tuned to this task, one of `run.tasks`; without it by the "
        "pretrained models.",
    )
    bed: str | None = Field(
        None,
        description="Regions or genes over which scores are summed up in a table; without it whole "
        "contigs.",
    )

    def how(self) -> dict[str, Any]:
        """Return the settings of scoring alone, as plain values."""
        return self.model_dump(mode="json", include=set(ScoreSettings.model_fields))


class PrioritySettings(Section):
    """How labelled variants are told apart."""

    positive: tuple[str, ...] = Field(
        ("pathogenic", "likely_pathogenic", "clinvar", "gwas"),
        min_length=1,
        description="Variants whose class begins so have an effect; case does not matter.",
    )
    negative: tuple[str, ...] = Field(
        ("benign", "likely_benign", "common", "1000g"),
        min_length=1,
        description="Variants whose class begins so have none. All others are left out.",
    )
    group_distance: int = Field(
        10_000,
        ge=0,
        description="Variants nearer to each other than this, in bases, are one locus: never "
        "parted between training and test, and resampled together.",
    )
    folds: int = Field(5, ge=2, description="Outer folds; each is predicted by the others.")
    inner_folds: int = Field(3, ge=2, description="Folds in which settings are chosen.")
    kmer: int = Field(3, ge=1, le=5, description="k of the k-mers that the baseline counts.")
    flank: int = Field(
        20, ge=1, description="Bases on either side of a variant whose k-mers are counted."
    )
    bootstrap_samples: int = Field(1_000, ge=100, description="Resamplings behind an interval.")


class Priorities(PrioritySettings):
    """Labelled variants told apart by their scores."""

    scores: Name = Field(
        description="An entry of `application.scores` whose records have classes: INFO `CLNSIG` or "
        "`LABEL`, or an ID that begins with the class."
    )

    def how(self) -> dict[str, Any]:
        """Return the settings without the name of the scores, as plain values."""
        return self.model_dump(mode="json", include=set(PrioritySettings.model_fields))


def scoring_files(scores: Mapping[str, Scores]) -> list[tuple[str, str]]:
    """Return the keys and files of the entries."""
    found = []
    for name, entry in scores.items():
        for key, file in (("file", entry.file), ("bed", entry.bed)):
            if file is not None:
                found.append((f"application.scores.{name}.{key}", file))
    return found


def check_scoring(
    scores: Mapping[str, Scores],
    priorities: Mapping[str, Priorities],
    assemblies: Collection[str],
    tasks: Collection[str],
    known: Known,
) -> None:
    """Check what the entries refer to; ``known`` raises where a name is not among others."""
    for name, entry in scores.items():
        known(f"application.scores.{name}.assembly", entry.assembly, assemblies)
        if entry.task is not None:
            known(f"application.scores.{name}.task", entry.task, tasks)
    for name, priority in priorities.items():
        known(f"application.priorities.{name}.scores", priority.scores, scores)
