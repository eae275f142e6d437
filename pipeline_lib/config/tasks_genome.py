"""Tasks made from genomes alone, most of them from an annotation too."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name
from pipeline_lib.config.finetuning import Pooling, Task

ANNOTATED = "Name of an entry of `genome.assemblies` that has an annotation."
POOLING = "What the head sees; see `finetuning.pooling`."


class CodonsTask(Task):
    """True start or stop codons against others of the same letters."""

    assembly: Name = Field(description=ANNOTATED)
    upstream: int = Field(300, ge=0, description="Bases before the site in an example.")
    downstream: int = Field(300, ge=0, description="Bases after the site's codon in an example.")
    max_training_sites: int | None = Field(
        None,
        ge=1,
        description="Most true sites in the training split, chosen at random; none for all.",
    )
    decoys_per_site: int = Field(1, ge=1, description="Decoys of each kind for every true site.")

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return True


class StopCodonsTask(CodonsTask):
    """True stop codons against other TAA, TAG and TGA, made from a genome and its annotation."""

    type: Literal["stop_codons"] = Field(
        description="`stop_codons`: true stop codons against decoy TAA, TAG and TGA."
    )
    assembly: Name = Field(description=ANNOTATED)


class GeneStartsTask(Task):
    """Windows around the 5' ends of genes, against other windows of the same genome."""

    type: Literal["gene_starts"] = Field(
        description="`gene_starts`: promoter windows by the annotation, against the inside of "
        "genes and what lies between genes."
    )
    assembly: Name = Field(description=ANNOTATED)
    upstream: int = Field(250, ge=0, description="Bases before the first base of the transcript.")
    downstream: int = Field(50, ge=1, description="Bases from the first base of it on.")
    negatives_per_start: int = Field(
        1, ge=1, description="Windows of either kind without a start, for every one with a start."
    )

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return True


class BiotypesTask(Task):
    """Which kind of gene a window lies in: coding, tRNA, transposon and so on."""

    type: Literal["biotypes"] = Field(
        description="`biotypes`: kinds of genes, by an attribute of the annotation."
    )
    assembly: Name = Field(description=ANNOTATED)
    length: int = Field(
        200, ge=20, description="Bases around the middle of the gene; of all genes alike."
    )
    attributes: tuple[str, ...] = Field(
        ("biotype", "gene_biotype"),
        min_length=1,
        description="Attributes of genes that hold the kind; the first there is counts.",
    )
    min_genes: int = Field(20, ge=3, description="Kinds with fewer genes are left out.")
    max_genes: int | None = Field(
        None, ge=3, description="Most genes of a kind, chosen at random; none for all."
    )
    pooling: Pooling = Field("mean", description=POOLING)

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return True


class SpeciesTask(Task):
    """Which species a window is from; a contig is in one split only."""

    type: Literal["species"] = Field(
        description="`species`: windows of several assemblies, each a class."
    )
    assemblies: tuple[Name, ...] = Field(
        min_length=2, description="Entries of `genome.assemblies`; each is a class."
    )
    length: int = Field(1000, ge=20, le=1_000_000, description="Bases of a window.")
    windows: int = Field(1000, ge=8, description="Windows of every species, all splits together.")
    valid_contigs: tuple[str, ...] = Field(
        (),
        description="Published validation split: the contigs of every species that go by these "
        "names, with or without `chr`.",
    )
    test_contigs: tuple[str, ...] = Field((), description="Published test split, likewise.")
    homology_shared: int = Field(
        20,
        ge=1,
        description="Two windows that share this many k-mers are homologous; if not given, a third "
        "of their length, since related species share repeats everywhere.",
    )
    pooling: Pooling = Field("mean", description=POOLING)

    @model_validator(mode="before")
    @classmethod
    def _shared(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or "homology_shared" in values:
            return values
        length = values.get("length", cls.model_fields["length"].default)
        return (
            {**values, "homology_shared": max(20, length // 3)}
            if isinstance(length, int)
            else values
        )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if repeated := [name for name in self.assemblies if self.assemblies.count(name) > 1]:
            raise ValueError(f"`assemblies` names {repeated[0]!r} twice")
        if self.assembly is not None:
            raise ValueError("give `assemblies`, and no `assembly`")
        if both := sorted(set(self.valid_contigs) & set(self.test_contigs)):
            raise ValueError(f"{both[0]!r} is in `valid_contigs` and in `test_contigs`")
        return self

    @property
    def genomes(self) -> tuple[str, ...]:
        """Names of the assemblies that the examples are cut from."""
        return self.assemblies


GenomeTask = StopCodonsTask | GeneStartsTask | BiotypesTask | SpeciesTask
"""Any of the tasks made from genomes."""
