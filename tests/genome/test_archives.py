"""Addresses of archives, against those that their publishers and papers print."""

import pytest

from pipeline_lib.config.archives import Ensembl, Mirrors
from pipeline_lib.genome import archives

MIRRORS = Mirrors()
NCBI = "https://ftp.ncbi.nlm.nih.gov/genomes/all"


@pytest.mark.parametrize(
    ("accession", "entry", "folder"),
    [
        ("GCF_000001735.4", "GCF_000001735.4_TAIR10.1", "GCF/000/001/735"),
        ("GCF_000001405.40", "GCF_000001405.40_GRCh38.p14", "GCF/000/001/405"),
        ("GCA_009914755.4", "GCA_009914755.4_T2T-CHM13v2.0", "GCA/009/914/755"),
        ("GCF_000146045.2", "GCF_000146045.2_R64", "GCF/000/146/045"),
    ],
)
def test_ncbi(accession: str, entry: str, folder: str) -> None:
    assert archives.ncbi_parent(accession, MIRRORS.ncbi) == f"{NCBI}/{folder}/"
    files = archives.ncbi_files(accession, entry, MIRRORS.ncbi)
    start = f"{NCBI}/{folder}/{entry}/{entry}"
    assert files == {
        "sequence": f"{start}_genomic.fna.gz",
        "annotation": f"{start}_genomic.gff.gz",
        "assembly_report": f"{start}_assembly_report.txt",
    }


def test_ncbi_folder_of_the_very_version() -> None:
    names = ["GCF_000001405.4_NCBI34", "GCF_000001405.40_GRCh38.p14", "GCF_000001405.39_x", "a"]
    assert archives.ncbi_entries("GCF_000001405.4", names) == ["GCF_000001405.4_NCBI34"]
    assert archives.ncbi_entries("GCF_000001405.40", names) == ["GCF_000001405.40_GRCh38.p14"]


@pytest.mark.parametrize(
    ("entry", "sequence", "annotation"),
    [
        (
            {"species": "Saccharomyces cerevisiae", "release": 99},
            "https://ftp.ensembl.org/pub/release-99/fasta/saccharomyces_cerevisiae/dna/",
            "https://ftp.ensembl.org/pub/release-99/gff3/saccharomyces_cerevisiae/",
        ),
        (
            {"species": "arabidopsis_thaliana", "release": 57, "division": "plants"},
            "https://ftp.ensemblgenomes.ebi.ac.uk/pub/plants/release-57/fasta/"
            "arabidopsis_thaliana/dna/",
            "https://ftp.ensemblgenomes.ebi.ac.uk/pub/plants/release-57/gff3/arabidopsis_thaliana/",
        ),
        (
            {
                "species": "escherichia_coli_str_k_12_substr_mg1655_gca_000005845",
                "release": 57,
                "division": "bacteria",
                "collection": "bacteria_0_collection",
            },
            "https://ftp.ensemblgenomes.ebi.ac.uk/pub/bacteria/release-57/fasta/"
            "bacteria_0_collection/escherichia_coli_str_k_12_substr_mg1655_gca_000005845/dna/",
            "https://ftp.ensemblgenomes.ebi.ac.uk/pub/bacteria/release-57/gff3/"
            "bacteria_0_collection/escherichia_coli_str_k_12_substr_mg1655_gca_000005845/",
        ),
    ],
)
def test_ensembl_folders(entry: dict[str, object], sequence: str, annotation: str) -> None:
    found = Ensembl.model_validate(entry)
    assert archives.ensembl_folder(found, MIRRORS, "sequence") == sequence
    assert archives.ensembl_folder(found, MIRRORS, "annotation") == annotation


YEAST = [
    "CHECKSUMS",
    "README",
    "Saccharomyces_cerevisiae.R64-1-1.dna.chromosome.I.fa.gz",
    "Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz",
    "Saccharomyces_cerevisiae.R64-1-1.dna_rm.toplevel.fa.gz",
    "Saccharomyces_cerevisiae.R64-1-1.dna_sm.chromosome.I.fa.gz",
    "Saccharomyces_cerevisiae.R64-1-1.dna_sm.toplevel.fa.gz",
    "Saccharomyces_cerevisiae.R64-1-1.99.abinitio.gff3.gz",
    "Saccharomyces_cerevisiae.R64-1-1.99.chromosome.I.gff3.gz",
    "Saccharomyces_cerevisiae.R64-1-1.99.gff3.gz",
]


@pytest.mark.parametrize("masking", ["dna_sm", "dna", "dna_rm"])
def test_ensembl_sequence_in_a_listing(masking: str) -> None:
    entry = Ensembl(species="saccharomyces_cerevisiae", release=99, masking=masking)
    pattern = archives.ensembl_pattern(entry, "sequence")
    found = [name for name in YEAST if pattern.fullmatch(name)]
    assert found == [f"Saccharomyces_cerevisiae.R64-1-1.{masking}.toplevel.fa.gz"]


def test_ensembl_annotation_in_a_listing() -> None:
    entry = Ensembl(species="saccharomyces_cerevisiae", release=99)
    pattern = archives.ensembl_pattern(entry, "annotation")
    found = [name for name in YEAST if pattern.fullmatch(name)]
    assert found == ["Saccharomyces_cerevisiae.R64-1-1.99.gff3.gz"]


def test_ensembl_primary_assembly_is_not_that_of_one_chromosome() -> None:
    entry = Ensembl(species="homo_sapiens", release=106, level="primary_assembly")
    pattern = archives.ensembl_pattern(entry, "sequence")
    assert pattern.fullmatch("Homo_sapiens.GRCh38.dna_sm.primary_assembly.fa.gz")
    assert not pattern.fullmatch("Homo_sapiens.GRCh38.dna_sm.primary_assembly.1.fa.gz")


def test_ucsc_and_ena() -> None:
    folder = "https://hgdownload.soe.ucsc.edu/goldenPath/hg38/bigZips/"
    assert archives.ucsc_folder("hg38", MIRRORS.ucsc) == folder
    assert archives.ucsc_names("sacCer3") == ("sacCer3.fa.gz", "sacCer3.2bit")
    assert archives.ena_sequence("GCA_947231765.1", MIRRORS.ena) == (
        "https://www.ebi.ac.uk/ena/browser/api/fasta/GCA_947231765.1?download=true&gzip=true"
    )


def test_a_mirror_takes_the_place_of_the_archive() -> None:
    mirrors = Mirrors(ncbi="http://here.org/copy/", ensembl="ftp://there.org")
    assert archives.ncbi_parent("GCF_000146045.2", mirrors.ncbi).startswith(
        "http://here.org/copy/genomes/all/GCF/"
    )
    entry = Ensembl(species="homo_sapiens", release=106)
    assert archives.ensembl_base(entry, mirrors) == "ftp://there.org/release-106"
    with pytest.raises(ValueError, match="an address starts with"):
        Mirrors(ucsc="hgdownload.soe.ucsc.edu")
