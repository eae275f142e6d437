"""Section ``genome``: which assemblies there are, and which of their contigs to keep."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.archives import (
    ARCHIVES,
    ENA_ACCESSION,
    NCBI_ACCESSION,
    WITH_ANNOTATION,
    Ensembl,
    Mirrors,
)
from pipeline_lib.config.base import Name, Section, spread_defaults

Organelle = Literal["mitochondrion", "plastid"]

SOURCES = ("path", "url", *ARCHIVES)
"""Keys that say where the sequence of an assembly is: each assembly has exactly one."""

FROM_ARCHIVE = "archive"
"""Value of ``annotation``: the GFF3 file of the archive's own entry."""


class GenomeSettings(Section):
    """Filters of contigs and ways of downloading, for all assemblies or for one."""

    drop_organelles: tuple[Organelle, ...] = Field(
        ("mitochondrion",), description="Organelle genomes to leave out."
    )
    min_contig_length: int = Field(
        10_000, ge=1, description="Contigs shorter than this many bases are left out."
    )
    download_retries: int = Field(
        5, ge=0, description="How often a broken download is tried again, with growing pauses."
    )
    downloader: Literal["built-in", "datasets"] = Field(
        "built-in",
        description="What fetches NCBI accessions: dnalm itself, or NCBI's own `datasets` program.",
    )
    ncbi_api_key_variable: str = Field(
        "NCBI_API_KEY",
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        description="Name of the environment variable that holds your NCBI API key, for "
        "`downloader: datasets`. The key itself is never written anywhere.",
    )
    mirrors: Mirrors = Field(Mirrors(), description="Base addresses of the archives.")


class Assembly(GenomeSettings):
    """One genome assembly: where its sequence and annotation come from.

    Exactly one of `path`, `url`, `accession`, `ensembl`, `ucsc` and `ena` says where the sequence
    is. Checksums that an archive publishes are checked without being given here.
    """

    species: str = Field("", description="Name of the species, for figures and tables.")
    path: str | None = Field(
        None, description="File on this machine: FASTA (plain, gzip or bgzip) or 2bit."
    )
    url: str | None = Field(None, description="https, http or ftp address of such a file.")
    accession: str | None = Field(
        None,
        pattern=NCBI_ACCESSION,
        description="NCBI accession of an assembly, with its version: `GCF_000001735.4`. Its "
        "assembly report is fetched too.",
    )
    ensembl: Ensembl | None = Field(None, description="Entry of Ensembl or Ensembl Genomes.")
    ucsc: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_]+$", description="Database of UCSC: `sacCer3`, `hg38`."
    )
    ena: str | None = Field(
        None,
        pattern=ENA_ACCESSION,
        description="Accession of an assembly at ENA, with its version: `GCA_000146045.2`.",
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="Checksum that the sequence file, as given or downloaded, must have.",
    )
    md5: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{32}$",
        description="The same as md5, which is what NCBI and UCSC publish.",
    )
    annotation: str | None = Field(
        None,
        description="GFF3 file (plain, gzip or bgzip), as a path or an address; or `archive`: "
        "the GFF3 file of the same entry at NCBI or Ensembl.",
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

    @property
    def archive(self) -> str | None:
        """The key that names an entry of a public archive, None for a file or an address."""
        return next((key for key in ARCHIVES if getattr(self, key) is not None), None)

    def comes_from_archive(self, key: str) -> bool:
        """Tell whether `sequence`, `annotation`, ... is to be had from the archive's entry."""
        if key == "sequence":
            return self.archive is not None
        if key == "assembly_report":
            return self.assembly_report is None and self.accession is not None
        return key == "annotation" and self.annotation == FROM_ARCHIVE

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [key for key in SOURCES if getattr(self, key) is not None]
        if len(given) != 1:
            allowed = ", ".join(f"`{key}`" for key in SOURCES[:-1]) + f" or `{SOURCES[-1]}`"
            found = " and ".join(f"`{key}`" for key in given) or "none of them"
            raise ValueError(f"give either {allowed}, exactly one of them; {found} is given")
        if self.annotation == FROM_ARCHIVE and self.archive not in WITH_ANNOTATION:
            raise ValueError(
                f"`annotation` is `archive`, but the source `{given[0]}` offers no GFF3 file; give "
                "the path or the address of one, or take the sequence by `accession` or `ensembl`"
            )
        return self


class GenomeConfig(GenomeSettings):
    """Assemblies by name, and settings shared by all of them."""

    sheet: str | None = Field(
        None,
        description="Table of assemblies, tab-separated, one a row: `assembly`, `species` and the "
        "columns of its source. Entries of `assemblies` are layered over its rows.",
    )
    assemblies: dict[Name, Assembly] = Field(
        default_factory=dict, description="Genome assemblies, by name."
    )

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        if not isinstance(section, dict):
            return section
        shared = {key: value for key, value in section.items() if key != "sheet"}
        return {**section, **spread_defaults(shared, "assemblies")}
