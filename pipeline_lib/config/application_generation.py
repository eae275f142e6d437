"""Entries of ``application.generations``: new sequence."""

from typing import Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Section, Share


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
