"""Addresses of the public archives: pure functions of names, without a look at the network.

NCBI, Ensembl, UCSC and ENA each lay out their folders by a published rule. What the rule leaves
open (the name NCBI gives an assembly, the case of a species at Ensembl) is found in a listing
of the folder by :mod:`pipeline_lib.genome.resolve`.
"""

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from pipeline_lib.config.archives import Ensembl, Mirrors

Role = Literal["sequence", "annotation", "assembly_report"]

NCBI_SUMS = "md5checksums.txt"
ENSEMBL_SUMS = "CHECKSUMS"
UCSC_SUMS = "md5sum.txt"

_NCBI_ENDINGS: dict[Role, str] = {
    "sequence": "_genomic.fna.gz",
    "annotation": "_genomic.gff.gz",
    "assembly_report": "_assembly_report.txt",
}


def ncbi_parent(accession: str, base: str) -> str:
    """Return the folder that holds the folders of an accession's versions.

    >>> ncbi_parent("GCF_000001735.4", "https://ftp.ncbi.nlm.nih.gov")
    'https://ftp.ncbi.nlm.nih.gov/genomes/all/GCF/000/001/735/'
    """
    kind, digits = accession.split(".")[0].split("_")
    return f"{base}/genomes/all/{kind}/{digits[:3]}/{digits[3:6]}/{digits[6:9]}/"


def ncbi_entries(accession: str, names: Iterable[str]) -> list[str]:
    """Return the names of a listing that are folders of an accession: ``ACCESSION_NAME``."""
    return [name for name in names if name == accession or name.startswith(f"{accession}_")]


def ncbi_files(accession: str, entry: str, base: str) -> dict[Role, str]:
    """Return the addresses of the files of an assembly, whose folder is named ``entry``.

    >>> files = ncbi_files("GCF_000001735.4", "GCF_000001735.4_TAIR10.1", "https://x.org")
    >>> files["sequence"].removeprefix("https://x.org/genomes/all/GCF/000/001/735/")
    'GCF_000001735.4_TAIR10.1/GCF_000001735.4_TAIR10.1_genomic.fna.gz'
    """
    folder = f"{ncbi_parent(accession, base)}{quote(entry)}/"
    return {role: f"{folder}{quote(entry)}{ending}" for role, ending in _NCBI_ENDINGS.items()}


def ensembl_base(entry: Ensembl, mirrors: Mirrors) -> str:
    """Return the folder of a release: ``.../release-99`` or ``.../plants/release-57``."""
    if entry.division == "vertebrates":
        return f"{mirrors.ensembl}/release-{entry.release}"
    return f"{mirrors.ensembl_genomes}/{entry.division}/release-{entry.release}"


def ensembl_folder(entry: Ensembl, mirrors: Mirrors, role: Role) -> str:
    """Return the folder of the sequence, or of the annotation, of a species."""
    species = f"{entry.collection}/{entry.species}" if entry.collection else entry.species
    base = ensembl_base(entry, mirrors)
    return f"{base}/fasta/{species}/dna/" if role == "sequence" else f"{base}/gff3/{species}/"


def ensembl_pattern(entry: Ensembl, role: Role) -> re.Pattern[str]:
    """Return the pattern of a file's name, which holds the name of the assembly as a group.

    >>> yeast = Ensembl(species="saccharomyces_cerevisiae", release=99)
    >>> name = "Saccharomyces_cerevisiae.R64-1-1.dna_sm.toplevel.fa.gz"
    >>> ensembl_pattern(yeast, "sequence").fullmatch(name)["assembly"]
    'R64-1-1'
    """
    start = rf"{re.escape(entry.species)}\.(?P<assembly>.+)"
    if role == "sequence":
        return re.compile(rf"{start}\.{entry.masking}\.{entry.level}\.fa\.gz", re.IGNORECASE)
    return re.compile(rf"{start}\.{entry.release}\.gff3\.gz", re.IGNORECASE)


def ucsc_folder(database: str, base: str) -> str:
    """Return the folder of a database's whole-genome files.

    >>> ucsc_folder("sacCer3", "https://hgdownload.soe.ucsc.edu")
    'https://hgdownload.soe.ucsc.edu/goldenPath/sacCer3/bigZips/'
    """
    return f"{base}/goldenPath/{database}/bigZips/"


def ucsc_names(database: str) -> tuple[str, str]:
    """Return the files that hold all of a genome, the better one first.

    >>> ucsc_names("hg38")
    ('hg38.fa.gz', 'hg38.2bit')
    """
    return f"{database}.fa.gz", f"{database}.2bit"


def ena_sequence(accession: str, base: str) -> str:
    """Return the address at which ENA gives the sequence of an assembly.

    >>> ena_sequence("GCA_000146045.2", "https://www.ebi.ac.uk/ena/browser/api")
    'https://www.ebi.ac.uk/ena/browser/api/fasta/GCA_000146045.2?download=true&gzip=true'
    """
    return f"{base}/fasta/{accession}?download=true&gzip=true"
