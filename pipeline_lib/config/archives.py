"""Where assemblies can be had by name: the settings of public archives and of their mirrors."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from pipeline_lib.config.base import Section

ARCHIVES = ("accession", "ensembl", "ucsc", "ena")
"""Keys of an assembly that name an entry of a public archive."""

WITH_ANNOTATION = ("accession", "ensembl")
"""Those of them whose archive has GFF3 files."""

NCBI_ACCESSION = r"^GC[AF]_\d{9}\.\d+$"
ENA_ACCESSION = r"^GCA_\d{9}\.\d+$"

Division = Literal["vertebrates", "plants", "fungi", "metazoa", "protists", "bacteria"]


def _species_name(value: Any) -> Any:
    """Write a name as Ensembl does in its addresses: ``Homo sapiens`` is ``homo_sapiens``."""
    return "_".join(value.lower().split()) if isinstance(value, str) else value


def _base_address(value: str) -> str:
    if not value.lower().startswith(("https://", "http://", "ftp://")):
        raise ValueError("an address starts with https://, http:// or ftp://")
    return value.rstrip("/")


BaseAddress = Annotated[str, AfterValidator(_base_address)]


class Ensembl(Section):
    """An entry of Ensembl or, with a division other than vertebrates, of Ensembl Genomes."""

    species: Annotated[str, BeforeValidator(_species_name)] = Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]*$",
        description="Species as in the addresses of Ensembl: `saccharomyces_cerevisiae`.",
    )
    release: int = Field(ge=1, description="Release of Ensembl, or of Ensembl Genomes: 99.")
    division: Division = Field(
        "vertebrates",
        description="Part of Ensembl. `vertebrates` is the main site, which has yeast, fruit fly "
        "and worm too; the others are parts of Ensembl Genomes with release numbers of their own.",
    )
    collection: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]+$",
        description="Folder of many small genomes: `bacteria_0_collection`.",
    )
    level: Literal["toplevel", "primary_assembly"] = Field(
        "toplevel",
        description="`toplevel` holds haplotypes and patches where there are such (human, mouse, "
        "zebrafish); `primary_assembly`, which only those species have, leaves them out.",
    )
    masking: Literal["dna_sm", "dna", "dna_rm"] = Field(
        "dna_sm",
        description="Repeats in lower case (`dna_sm`), unmarked (`dna`) or as N (`dna_rm`).",
    )


class Mirrors(Section):
    """Base address of each archive: change one to use a mirror near you or a copy of your own."""

    ncbi: BaseAddress = Field(
        "https://ftp.ncbi.nlm.nih.gov", description="NCBI: the folder that holds `genomes/all`."
    )
    ensembl: BaseAddress = Field(
        "https://ftp.ensembl.org/pub", description="Ensembl: the folder that holds `release-99`."
    )
    ensembl_genomes: BaseAddress = Field(
        "https://ftp.ensemblgenomes.ebi.ac.uk/pub",
        description="Ensembl Genomes: the folder that holds `plants`, `fungi`, `metazoa`.",
    )
    ucsc: BaseAddress = Field(
        "https://hgdownload.soe.ucsc.edu", description="UCSC: the folder that holds `goldenPath`."
    )
    ena: BaseAddress = Field(
        "https://www.ebi.ac.uk/ena/browser/api", description="ENA: the address before `/fasta`."
    )
