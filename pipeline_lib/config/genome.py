"""Section ``genome``: which assemblies there are, and which of their contigs to keep."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section, spread_defaults

Organelle = Literal["mitochondrion", "plastid"]


class GenomeSettings(Section):
    """Filters of contigs, for all assemblies or for one."""

    drop_organelles: tuple[Organelle, ...] = Field(
        ("mitochondrion",), description="Organelle genomes to leave out."
    )
    min_contig_length: int = Field(
        10_000, ge=1, description="Contigs shorter than this many bases are left out."
    )
    download_retries: int = Field(
        5, ge=0, description="How often a broken download is tried again, with growing pauses."
    )


class Assembly(GenomeSettings):
    """One genome assembly: where its sequence and annotation come from."""

    species: str = Field("", description="Name of the species, for figures and tables.")
    path: str | None = Field(
        None, description="FASTA file on this machine: plain, gzip or bgzip. Give this or `url`."
    )
    url: str | None = Field(
        None, description="https, http or ftp address of a FASTA file. Give this or `path`."
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="Checksum that the FASTA file, as given or downloaded, must have.",
    )
    md5: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{32}$",
        description="The same as md5, which is what NCBI and Ensembl publish.",
    )
    annotation: str | None = Field(
        None, description="GFF3 file (plain, gzip or bgzip), as a path or an address."
    )
    annotation_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="Checksum that the annotation file must have.",
    )
    assembly_report: str | None = Field(
        None, description="NCBI assembly report of the assembly: aliases and molecule types."
    )
    aliases: str | None = Field(
        None,
        description="Table of other names, tab-separated: name in the FASTA, other name.",
    )
    organelles: dict[str, Organelle] = Field(
        default_factory=dict,
        description="Records that are organelle genomes but are not recognised as such: "
        "record name, then `mitochondrion` or `plastid`.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.url is None):
            given = "both are given" if self.path else "neither is given"
            raise ValueError(f"give either `path` or `url`, exactly one of them; {given}")
        return self


class GenomeConfig(GenomeSettings):
    """Assemblies by name, and settings shared by all of them."""

    assemblies: dict[Name, Assembly] = Field(
        default_factory=dict, description="Genome assemblies, by name."
    )

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "assemblies")
