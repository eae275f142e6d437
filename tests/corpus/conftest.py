"""What the tests of the corpus stage share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome.prepare import prepare_genome


@pytest.fixture(scope="session")
def make_genome() -> Callable[..., Path]:
    """Return a function that prepares a genome from sequences by name."""

    def make(folder: Path, contigs: dict[str, str], **settings: object) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        source = folder.with_suffix(".fa")
        source.write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
        assembly = Assembly(path=str(source), **({"min_contig_length": 1} | settings))
        prepare_genome(source, folder, assembly, name=folder.name)
        return folder

    return make


@pytest.fixture(scope="session")
def settings() -> Callable[..., Corpus]:
    """Return a maker of corpus settings of a size that suits toy genomes."""

    def make(valid: object, test: object, **changes: object) -> Corpus:
        small = {
            "assemblies": ("toy",),
            "sentence_length": (3, 7),
            "sentences_per_document": (2, 4),
            "max_offset": 9,
            "passes": 2,
            "homology": {"method": "none"},  # the toys' contigs resemble each other
        }
        return Corpus(**(small | {"holdouts": {"valid": valid, "test": test}} | changes))

    return make
