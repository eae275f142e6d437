"""Four small chromosomes of yeast, from the sequence to a tokenizer, made once."""

from pathlib import Path

import pysam
import pytest

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.tokenizer.train import make_tokenizer

VOCABULARY = 512


@pytest.fixture(scope="session")
def genomes(resources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of an assembly of chromosomes I, III, VI and IX."""
    folder = tmp_path_factory.mktemp("genome")
    source = folder / "small.fa"
    with (
        pysam.FastaFile(str(resources / "S288C_R64-2-1.fa.gz")) as fasta,
        source.open("w") as handle,
    ):
        for name, number in (("I", 1133), ("III", 1135), ("VI", 1138), ("IX", 1141)):
            handle.write(f">{name}\n{fasta.fetch(f'ref|NC_00{number}|')}\n")
    prepare_genome(source, folder / "small", Assembly(path=str(source)), name="small")
    return {"small": folder / "small"}


@pytest.fixture(scope="session")
def corpus(genomes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a corpus of the small genome."""
    folder = tmp_path_factory.mktemp("corpus") / "small"
    holdouts = {"valid": {"contigs": ["I"]}, "test": {"contigs": ["VI"]}}
    settings = Corpus(
        assemblies=("small",), holdouts=holdouts, passes=1, sentences_per_document=(5, 10)
    )
    build_corpus(genomes, folder, settings, seed=1)
    return folder


@pytest.fixture(scope="session")
def train_documents(corpus: Path) -> Path:
    """Return the table of training documents."""
    return corpus / "train" / "documents.parquet"


@pytest.fixture(scope="session")
def tokenizer(
    train_documents: Path, genomes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the tokenizer.json of the small corpus, with its stats.json beside it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    settings = Tokenizer(corpus="small", vocab_size=VOCABULARY, sample_bases=300_000)
    output = folder / "tokenizer.json"
    make_tokenizer(train_documents, genomes, output, folder / "stats.json", settings, seed=1)
    return output
