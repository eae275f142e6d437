"""What the tests of the papers' public files share."""

from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import Genome, prepare_genome
from pipeline_lib.genome.aliases import collect_aliases, write_aliases
from pipeline_lib.genome.contigs import Contig, write_contigs
from pipeline_lib.genome.output import index_fasta


@pytest.fixture(scope="session")
def chr20(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return human chromosome 20 as a prepared genome; the published bgzip file is used as it is.

    To compress it anew, as `prepare_genome` does, would take longer than all tests of readers.
    """
    folder = tmp_path_factory.mktemp("chr20")
    fasta = folder / "genome.fa.gz"
    fasta.symlink_to(shared / "data" / "human_chr20" / "20.GRCh37.fa.gz")
    index_fasta(fasta, {"20": 63_025_520})
    contig = Contig("20", 63_025_520, 0.44, 0.056, 0.0, "chromosome", True, "", "")
    write_contigs(folder / "contigs.tsv", [contig])
    write_aliases(folder / "aliases.tsv", collect_aliases([contig], reported={}, table={})[0])
    return folder


@pytest.fixture(scope="session")
def human(shared: Path) -> Path:
    """Return the folder of the tables about chromosome 20."""
    return shared / "data" / "human_chr20"


@pytest.fixture
def make_genome(tmp_path: Path) -> Callable[..., Genome]:
    """Return a function that prepares a genome from text."""

    def make(**contigs: str) -> Genome:
        text = "".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items())
        (tmp_path / "genome.fa").write_text(text)
        settings = Assembly(path="genome.fa", min_contig_length=1)
        prepare_genome(tmp_path / "genome.fa", tmp_path / "prepared", settings, name="test")
        return Genome(tmp_path / "prepared")

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Return a function that writes a file and returns its path as text."""

    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return make


@pytest.fixture(scope="session")
def fetch() -> Callable[..., str]:
    """Return a reader of sequence that is not ours: pysam on the file itself."""

    def get(folder: Path, contig: str, start: int, end: int, strand: str = "+") -> str:
        with pysam.FastaFile(str(folder / "genome.fa.gz")) as file:
            forward: str = file.fetch(contig, start, end).upper()
        return forward if strand == "+" else forward[::-1].translate(str.maketrans("ACGT", "TGCA"))

    return get
