"""What the tests of the papers' public files share."""

from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import Genome, prepare_genome


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
