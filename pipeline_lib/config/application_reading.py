"""Entries `application.embeddings` and `application.annotations`: what models say of sequence."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section

BY = "Of models tuned to this task, one of `run.tasks`, by its first seed"
Known = Callable[[str, str, Collection[str]], None]


class Embeddings(Section):
    """Sequences as vectors, a figure of them, and what they know of a label."""

    file: str = Field(
        description="FASTA; BED, with `assembly`; CSV, TSV or Parquet with a column `sequence`."
    )
    assembly: Name | None = Field(None, description="Genome of the intervals of a BED file.")
    task: Name | None = Field(None, description=f"{BY}; without it, of the pretrained models.")
    layer: int = Field(
        -1,
        description="0: after the embedding of tokens; 1, 2 and so on: behind that layer; negative "
        "numbers count from the last.",
    )
    pooling: Literal["mean", "max", "first", "center"] = Field(
        "mean", description="Of the vectors of tokens; special tokens do not count."
    )
    both_strands: bool = Field(False, description="The mean of the vectors of both strands.")
    too_long: Literal["windows", "error"] = Field(
        "windows",
        description="Sequences longer than the context are cut into windows, whose vectors count "
        "by their bases, or are an error.",
    )
    dtype: Literal["float32", "float16"] = Field("float32", description="Of the vectors.")
    label: str | None = Field(
        None,
        description="Column by which the figure is coloured; if it holds words, the vectors are "
        "probed for it. In BED, `name` is the fourth column.",
    )
    plane: Literal["pca", "map"] = Field(
        "pca",
        description="Of the figure: principal components; or a map, which UMAP makes if it is "
        "installed, and t-SNE if not.",
    )

    def how(self) -> dict[str, Any]:
        """Return the arguments of `pipeline_lib.application.embedding.embed.HowToEmbed`."""
        others = {"file", "assembly", "task", "label", "plane"}
        return self.model_dump(mode="json", exclude=others)


class Annotation(Section):
    """Tuned models run along contigs: tracks and calls."""

    assembly: Name = Field(description="Whose contigs are annotated.")
    task: Name = Field(description=f"{BY}.")
    contigs: tuple[str, ...] = Field((), description="Which contigs; none for all.")
    bed: str | None = Field(None, description="Regions in place of whole contigs.")
    window: int | None = Field(
        None, ge=1, description="Bases that the model reads; none: as in training."
    )
    focus: int | None = Field(
        None,
        ge=0,
        description="For models of whole sequences: the base of a window, from 0, that it is "
        "about; none: as in training.",
    )
    step: int = Field(
        1, ge=1, description="For models of whole sequences: bases from one window to the next."
    )
    edge: float = Field(
        0.25,
        ge=0,
        lt=0.5,
        description="For models of bases and tracks: share of a window's bins at either end that "
        "another window speaks of.",
    )
    strands: Literal["forward", "each", "mean"] = Field(
        "forward", description="The forward strand; a track of each; or the mean of both."
    )
    only: str = Field(
        "",
        pattern="^[ACGTacgt]*$",
        description="For models of whole sequences: letters that must stand at the focus, such as "
        "ATG. Other places get no value.",
    )
    outputs: tuple[str, ...] = Field(
        (), description="Classes, labels or tracks to write; none for all."
    )
    threshold: float | None = Field(
        None, description="Of calls; none: 0.5 of probabilities, and no calls of numbers."
    )
    merge: int = Field(0, ge=0, description="Calls that are no more bases apart become one.")
    format: Literal["bigwig", "bedgraph"] = Field(
        "bigwig", description="`bedgraph` is compressed, and needs no `pyBigWig`."
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.contigs and self.bed is not None:
            raise ValueError("give `contigs` or `bed`, not both")
        return self

    def how(self) -> dict[str, Any]:
        """Return the arguments of `pipeline_lib.application.annotation.annotate.HowToAnnotate`."""
        values = self.model_dump(mode="json", exclude={"assembly", "task", "contigs", "bed"})
        return values | {"outputs": tuple(self.outputs)}


def check_readings(
    embeddings: Mapping[str, Embeddings],
    annotations: Mapping[str, Annotation],
    *,
    assemblies: Collection[str],
    tasks: Collection[str],
    known: Known,
) -> None:
    """Refuse an entry that names an assembly or a task that is not there.

    Parameters
    ----------
    embeddings, annotations
        By name.
    assemblies, tasks
        Names that there are; tasks are those of the run.
    known
        Raises an error about a key, a name and the names that there are.
    """
    for section, entries in (("embeddings", embeddings), ("annotations", annotations)):
        for name, entry in entries.items():
            for key, names in (("assembly", assemblies), ("task", tasks)):
                if (value := getattr(entry, key)) is not None:
                    known(f"application.{section}.{name}.{key}", value, names)


def reading_files(
    embeddings: Mapping[str, Embeddings], annotations: Mapping[str, Annotation]
) -> list[tuple[str, str]]:
    """Return key and path of the files that entries name."""
    found = [(f"application.embeddings.{name}.file", e.file) for name, e in embeddings.items()]
    return found + [
        (f"application.annotations.{name}.bed", entry.bed)
        for name, entry in annotations.items()
        if entry.bed is not None
    ]
