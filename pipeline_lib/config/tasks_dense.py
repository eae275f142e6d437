"""Tasks with targets along the sequence: a class for each base, or numbers for each bin."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name
from pipeline_lib.config.finetuning import Task
from pipeline_lib.config.tasks_public import ASSEMBLY, Texts

OFFERED = ("full", "lora")


class DenseTask(Task):
    """What all tasks with targets along the sequence have in common."""

    class_weights: Literal["balanced", "none"] = Field(
        "none", description="Weigh classes by how rare they are, or equally."
    )
    homology_shared: int = Field(
        500, ge=1, description="Two windows that share this many k-mers are homologous."
    )
    max_windows: int = Field(
        10_000, ge=3, description="Most examples, or of each file; they are drawn at random."
    )

    @model_validator(mode="after")
    def _offered(self) -> Self:
        if self.method not in OFFERED:
            raise ValueError(
                f"`method` is {self.method!r}, but targets along the sequence are learnt with "
                f"{' or '.join(map(repr, OFFERED))}"
            )
        return self


class WindowsTask(DenseTask):
    """Windows side by side on all contigs of an assembly."""

    assembly: Name = Field(description=ASSEMBLY)
    window: int = Field(2_000, ge=1, description="Bases of a window that have targets.")
    context: int = Field(
        0, ge=0, description="Bases on either side of them that the model reads too."
    )


class GeneStructureTask(WindowsTask):
    """What each base is, by an annotation."""

    PATHS: ClassVar[tuple[str, ...]] = ("table",)

    type: Literal["gene_structure"] = Field(
        description="`gene_structure`: what each base is: coding, intron, UTR or between genes; or "
        "where introns begin and end."
    )
    labels: Literal["structure", "splice"] = Field(
        "structure",
        description="`structure`: intergenic, cds, intron or utr, on whichever strand; `splice`: "
        "the last base before an intron is a donor, the first after it an acceptor (SpliceAI).",
    )
    table: str | None = Field(
        None,
        description="For `splice`: SpliceAI's table of transcripts; default: the assembly's "
        "annotation.",
    )
    min_bases: int = Field(
        10_000,
        ge=1,
        description="For `structure`: a class with fewer bases in the genome is left out, and its "
        "bases count as unknown.",
    )

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return self.table is None

    @model_validator(mode="after")
    def _table(self) -> Self:
        if self.table is not None and self.labels == "structure":
            raise ValueError("`table` goes with `labels: splice`")
        return self


class TracksTask(WindowsTask):
    """Numbers along a genome, from bigWig, bedGraph or BED files."""

    PATHS: ClassVar[tuple[str, ...]] = ("files",)

    type: Literal["tracks"] = Field(
        description="`tracks`: numbers along a genome, the mean of each bin."
    )
    files: Texts = Field(
        min_length=1, description="A bigWig (.bw, .bigWig), bedGraph or BED file for each track."
    )
    names: Texts = Field((), description="Names of the tracks; default: those of the files.")
    bin: int = Field(128, ge=2, description="Bases of a bin; `window` is a multiple of it.")
    window: int = Field(2_048, ge=2, description="Bases of a window that have targets.")
    value_column: int | None = Field(
        4,
        ge=4,
        description="Column of bedGraph or BED with the number, counted from 1; none: intervals "
        "count 1.",
    )

    @model_validator(mode="after")
    def _bins(self) -> Self:
        if self.window % self.bin:
            raise ValueError(
                f"`window` is {self.window}, which is no multiple of `bin`, {self.bin}"
            )
        if self.names and len(self.names) != len(self.files):
            raise ValueError(f"there are {len(self.files)} `files`, but {len(self.names)} `names`")
        return self


class SpliceAiTask(DenseTask):
    """Sequences with a class for each base in their middle, as GENA-LM publishes SpliceAI's."""

    PATHS: ClassVar[tuple[str, ...]] = ("train", "valid", "test")

    type: Literal["spliceai"] = Field(
        description="`spliceai`: CSV files without a header: a sequence, and for each base in its "
        "middle 0 (neither), 1 (acceptor), 2 (donor) or -1 (not known)."
    )
    train: str = Field(description="File of the training examples.")
    valid: str | None = Field(
        None, description="File of the validation examples; without it drawn from `train`."
    )
    test: str = Field(description="File of the test examples.")
    window: int | None = Field(
        None, ge=1, description="Bases with targets of an example: rows are cut into so many."
    )
    context: int = Field(
        5_000, ge=0, description="Bases on either side of them that the model reads too."
    )


class BasenjiTask(DenseTask):
    """Sequences with tracks in HDF5 files, as GENA-LM converts those of Basenji and Enformer."""

    PATHS: ClassVar[tuple[str, ...]] = ("train", "valid", "test", "names")

    type: Literal["basenji"] = Field(
        description="`basenji`: HDF5 files with a group for each example, of `seq` and `target` "
        "(bins, tracks)."
    )
    train: str = Field(description="File of the training examples.")
    valid: str | None = Field(
        None, description="File of the validation examples; without it drawn from `train`."
    )
    test: str = Field(description="File of the test examples.")
    names: str | None = Field(None, description="File with the name of a track a line.")
    tracks: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), description="Which tracks, counted from 0; default: all."
    )
    bin: int = Field(128, ge=2, description="Bases of a bin.")
    bins: int | None = Field(None, ge=1, description="Bins in the middle to take; default: all.")
    context: int | None = Field(
        None, ge=0, description="Bases on either side of the bins to keep; default: all."
    )


AnyDenseTask = GeneStructureTask | TracksTask | SpliceAiTask | BasenjiTask
"""Any of the tasks with targets along the sequence."""
