"""Entries of ``application.haplotypes``: artificial genomes."""

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section


class HaplotypeTraining(Section):
    """How a model of haplotypes is shaped and trained."""

    alleles_per_token: int = Field(
        5, ge=1, le=8, description="Neighbouring sites that are read and written together."
    )
    layers: int = Field(4, ge=1, description="Number of Transformer layers.")
    width: int = Field(96, ge=8, description="Size of a hidden vector.")
    heads: int = Field(4, ge=1, description="Attention heads per layer.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout of hidden vectors and attention.")
    epochs: int = Field(12, ge=1, description="Most passes over the haplotypes to train on.")
    patience: int = Field(
        3,
        ge=1,
        description="Passes without a better loss of the individuals to validate on, after which "
        "training ends.",
    )
    batch_size: int = Field(32, ge=1, description="Haplotypes in a step.")
    learning_rate: float = Field(2e-3, gt=0, description="Highest learning rate.")
    weight_decay: float = Field(0.05, ge=0, description="Decay of weights towards zero.")
    warmup_steps: int = Field(50, ge=0, description="Steps in which the learning rate rises.")
    valid: float = Field(
        0.1, gt=0, lt=1, description="Share of the individuals that decides when training ends."
    )
    test: float = Field(
        0.1, gt=0, lt=1, description="Share of the individuals that only the report reads."
    )
    checkpoint_every: int = Field(
        50, ge=1, description="Steps after which the state is saved, to go on from after a kill."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"`width` {self.width} is not a multiple of `heads` {self.heads}")
        if self.valid + self.test >= 1:
            raise ValueError("`valid` and `test` leave no individuals to train on")
        return self


class HaplotypeEntry(Section):
    """Artificial genomes of a panel of haplotypes, and a report on them."""

    file: str = Field(
        description="Real haplotypes: phased VCF or BCF, or `.hapt` (also `.hapt.zip`)."
    )
    legend: str | None = Field(None, description="The sites of a `.hapt` file.")
    populations: str | None = Field(
        None,
        description="Table of individuals and populations, for colours in the report: a column of "
        "names, and one named `Superpopulation code`, `population` or `super_pop`.",
    )
    compare: dict[Name, str] = Field(
        {}, description="Artificial genomes of other methods, in the same formats, by name."
    )
    count: int = Field(5000, ge=2, description="Haplotypes to draw.")
    temperature: float = Field(
        1.0, ge=0, description="Below 1 likelier alleles are preferred; 1 is as learnt."
    )
    format: str = Field(
        "hapt.zip",
        pattern=r"^(hapt|hapt\.zip|vcf|vcf\.gz)$",
        description="What the artificial genomes are written as: hapt, hapt.zip, vcf or vcf.gz.",
    )
    training: HaplotypeTraining = Field(
        HaplotypeTraining(), description="Shape and training of the model."
    )

    def paths(self) -> dict[str, str]:
        """Return the files of the entry by key."""
        found = {"file": self.file, "legend": self.legend, "populations": self.populations}
        found |= {f"compare.{name}": path for name, path in self.compare.items()}
        return {key: path for key, path in found.items() if path is not None}


def haplotype_files(entries: Mapping[str, HaplotypeEntry]) -> Iterator[tuple[str, str]]:
    """Yield key and path of the files that entries name."""
    for name, entry in entries.items():
        for key, path in entry.paths().items():
            yield f"application.haplotypes.{name}.{key}", path
