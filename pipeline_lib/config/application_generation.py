"""Entries of ``application.generations``: new sequence."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Self

from pydantic import Field, model_validator

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.base import Name, Section, Share
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.errors import ConfigError


class GenerationEntry(Section):
    """Sequences that models of the next token write."""

    count: int = Field(100, ge=1, description="Sequences, for each prompt.")
    length: int = Field(1000, ge=1, description="Bases to write after the prompt.")
    prompt: str = Field("", description="Bases to begin with: A, C, G and T.")
    prompts: str | None = Field(None, description="FASTA of prompts, instead of `prompt`.")
    temperature: float = Field(
        1.0, ge=0, description="Below 1 likelier bases are preferred; 0 takes the likeliest."
    )
    top_k: int | None = Field(None, ge=1, description="Only the k likeliest tokens can be drawn.")
    top_p: Share = Field(
        1.0, gt=0, description="Only the likeliest tokens that reach this probability can be drawn."
    )
    batch_size: int = Field(
        32, ge=1, description="Sequences written at a time; does not change what is written."
    )
    numbers: dict[str, float] = Field(
        {},
        description="Numbers that the sequences are to have, as `gc: 0.4`, for models trained with "
        "`number_tasks`.",
    )
    candidates: int = Field(
        8, ge=2, description="With `numbers`: sequences drawn for each one that is kept."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.prompt and self.prompts is not None:
            raise ValueError("give `prompt` or `prompts`, not both")
        return self


class Generation(GenerationEntry):
    """The same as a part of a run."""

    models: tuple[Name, ...] = Field(
        (), description="Models that write; default: all of the run that can."
    )
    assembly: Name | None = Field(
        None, description="Genome whose GC and k-mers the sequences are compared with."
    )

    def settings(self) -> GenerationEntry:
        """Return what a model is told."""
        return GenerationEntry(**self.model_dump(exclude={"models", "assembly"}))


def check_generations(
    entries: Mapping[str, Generation],
    *,
    assemblies: Collection[str],
    models: Collection[str],
    known: Callable[[str, str, Collection[str]], None],
) -> None:
    """Refuse names that are not there, by ``known``."""
    for name, entry in entries.items():
        for model in entry.models:
            known(f"application.generations.{name}.models", model, models)
        if entry.assembly is not None:
            known(f"application.generations.{name}.assembly", entry.assembly, assemblies)


def generation_files(entries: Mapping[str, Generation]) -> Iterator[tuple[str, str]]:
    """Yield key and path of the files that entries name."""
    for name, entry in entries.items():
        if entry.prompts is not None:
            yield f"application.generations.{name}.prompts", entry.prompts


def writing_models(
    entries: Mapping[str, Generation], architectures: Mapping[str, AnyArchitecture]
) -> dict[str, list[str]]:
    """Return the models that write for each entry.

    Raises
    ------
    ConfigError
        If one that is named, or every one of the run, sees both sides of a base.
    """
    can = [name for name, shape in architectures.items() if _writes(shape)]
    found = {}
    for name, entry in entries.items():
        cannot = [model for model in entry.models if model not in can]
        if cannot or not can:
            raise ConfigError(
                f"`application.generations.{name}` needs models of the next token, which "
                f"{', '.join(cannot or architectures)} is not"
                if len(cannot or architectures) == 1
                else f"`application.generations.{name}` needs models of the next token; none of "
                f"{', '.join(cannot or architectures)} is one",
                expected="a preset of DNAGPT or HyenaDNA",
                remedy=f"add such a model to `run.models`, or take `{name}` out",
            )
        found[name] = list(entry.models or can)
    return found


def _writes(shape: AnyArchitecture) -> bool:
    if isinstance(shape, Architecture):
        return shape.attention == "causal"
    return not shape.bidirectional
