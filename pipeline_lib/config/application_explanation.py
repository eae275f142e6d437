"""Entries of `application.explanations`: what decides about the outputs of models."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section

METHODS = Literal["mutagenesis", "gradients", "dependencies"]


class Explanation(Section):
    """Sequences that are explained, base by base."""

    method: METHODS = Field(
        "mutagenesis",
        description="`mutagenesis`: every base is changed to the three others; `gradients`: "
        "integrated gradients of a tuned model; `dependencies`: which base a pretrained model of "
        "single bases, or of words of one length, expects by which.",
    )
    task: Name | None = Field(
        None,
        description="Explain the models tuned to this task, of its first seed; for "
        "`dependencies` the pretrained ones. Without it, pretrained models are explained.",
    )
    file: str | None = Field(
        None,
        description="Sequences: FASTA, BED with `assembly`, or CSV, TSV or Parquet with a column "
        "`sequence`. Without it, the held-out examples of the task.",
    )
    assembly: Name | None = Field(
        None, description="Genome of the intervals of a BED file; bigWig files need it, too."
    )
    where: dict[str, str] = Field(
        {},
        description="Values that columns of the sequences must have, such as `kind: tis`. Without "
        "`file`, `split: test` is added.",
    )
    sequences: int = Field(
        200, ge=1, description="Most sequences, evenly spread over those that there are."
    )
    target: str | None = Field(
        None,
        description="Class, label or number of the tuned model; by default the second class, or "
        "the first label or number.",
    )
    baseline: Literal["uniform", "shuffled", "mask"] = Field(
        "uniform",
        description="Where the path of `gradients` begins: the mean embedding of random bases, "
        "that of the sequence's own tokens, or that of the masked token.",
    )
    steps: int = Field(
        32, ge=2, le=1024, description="Points on that path; more are taken where they are needed."
    )
    rounds: int = Field(
        7,
        ge=0,
        description="Rounds in which a masked model is asked for `dependencies`; 0 to hide "
        "nothing.",
    )
    average: bool = Field(True, description="Average over sequences, aligned at their focus.")
    focus: int | None = Field(
        None, ge=0, description="Base to align at, from 0; by default the focus, or the middle."
    )
    motifs: str | None = Field(
        None,
        description="Motifs in the format of JASPAR or MEME that stretches are compared with.",
    )
    seqlet_width: int = Field(8, ge=3, description="Bases of such a stretch.")
    logos: int = Field(12, ge=0, description="Most sequences that are drawn one by one.")

    @model_validator(mode="after")
    def _something_to_explain(self) -> Self:
        if self.task is None and self.file is None:
            raise ValueError("name a `task`, whose held-out examples are explained, or a `file`")
        if self.task is None and self.method == "gradients":
            raise ValueError("`method: gradients` explains tuned models: name a `task`")
        if self.rounds == 1:
            raise ValueError("`rounds: 1` hides all bases at once: write 0, or at least 2")
        return self

    @property
    def tuned(self) -> bool:
        """Whether models are explained that are tuned to the task."""
        return self.task is not None and self.method != "dependencies"

    def settings(self, seed: int) -> dict[str, Any]:
        """Return the arguments of :class:`pipeline_lib.application.explanation.Settings`."""
        values = self.model_dump(exclude={"task", "file", "assembly", "motifs"})
        where = self.where if self.file is not None else {"split": "test", **self.where}
        return values | {"where": where, "seed": seed}


def check_explanations(
    entries: Mapping[str, Explanation],
    *,
    assemblies: Collection[str],
    tasks: Collection[str],
    known: Callable[[str, str, Collection[str]], None],
) -> None:
    """Refuse an entry that names an assembly or a task that is not there.

    Parameters
    ----------
    entries
        By name.
    assemblies, tasks
        Names that there are; tasks are those of the run.
    known
        Raises an error about a key, a name and the names that there are.
    """
    for name, entry in entries.items():
        if entry.assembly is not None:
            known(f"application.explanations.{name}.assembly", entry.assembly, assemblies)
        if entry.task is not None:
            known(f"application.explanations.{name}.task", entry.task, tasks)
