"""What the tests of the fine-tuning stage share."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.tasks import StartSitesTask
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.finetuning.sites import build_sites
from pipeline_lib.genome import prepare_annotation, prepare_genome
from pipeline_lib.genome.aliases import collect_aliases, write_aliases
from pipeline_lib.genome.contigs import Contig, write_contigs
from pipeline_lib.genome.output import index_fasta

HOLDOUTS = {"valid": {"contigs": ["I", "III"]}, "test": {"contigs": ["VI", "IX"]}}


@pytest.fixture(scope="session")
def make_task() -> Callable[..., StartSitesTask]:
    """Return a maker of task settings."""

    def make(**changes: object) -> StartSitesTask:
        base = {
            "type": "translation_initiation_sites",
            "assembly": "S288C",
            "upstream": 150,
            "downstream": 150,
            "holdouts": HOLDOUTS,
        }
        return StartSitesTask(**(base | changes))

    return make


@pytest.fixture(scope="session")
def random_dna() -> Callable[..., str]:
    """Return a maker of reproducible sequence."""

    def make(length: int, seed: int) -> str:
        return "".join(np.random.default_rng(seed).choice(list("ACGT"), size=length))

    return make


@pytest.fixture(scope="session")
def sites(yeast: Path, make_task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the examples of the demo."""
    folder = tmp_path_factory.mktemp("tis")
    build_sites(yeast, folder, make_task(), assembly="S288C", seed=42)
    return folder


@pytest.fixture(scope="session")
def examples(sites: Path) -> pd.DataFrame:
    """Return the examples of the demo."""
    return read_examples(sites / "examples.parquet").table


@pytest.fixture
def small_genome(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that prepares a genome and its annotation from text."""

    def make(contigs: dict[str, str], features: list[str]) -> Path:
        fasta = "".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items())
        (tmp_path / "genome.fa").write_text(fasta)
        lines = ["##gff-version 3", *("\t".join(line.split()) for line in features)]
        (tmp_path / "genes.gff3").write_text("\n".join(lines) + "\n")
        settings = Assembly(path="genome.fa", min_contig_length=1)
        folder = tmp_path / "prepared"
        prepare_genome(tmp_path / "genome.fa", folder, settings, name="test")
        prepare_annotation(tmp_path / "genes.gff3", folder)
        return folder

    return make


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
