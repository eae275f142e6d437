"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import prepare_annotation, prepare_genome

# How fast the machine is, is not what is tested.
settings.register_profile("dnalm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dnalm")

ROOT = Path(__file__).resolve().parents[1]
LONGEST = ("tests/workflow/", "tests/pretraining/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: several cores are then done at about one time."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(autouse=True, scope="module")
def tiny_numbers() -> Iterator[None]:
    """Undo what pretraining sets for its process: numbers near zero are zero (it is faster)."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def resources() -> Path:
    """Return the folder of the embedded genome."""
    return ROOT / "resources" / "genomes"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data, or skip: it is not part of the product."""
    folder = Path(os.environ.get("DNALM_SHARED", ROOT.parent / "shared"))
    if not (folder / "data" / "README.md").exists():
        pytest.skip(f"reference data not found at {folder}; set DNALM_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def yeast(resources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the prepared yeast genome with its annotation."""
    folder = tmp_path_factory.mktemp("yeast") / "S288C"
    source = resources / "S288C_R64-2-1.fa.gz"
    prepare_genome(source, folder, Assembly(path=str(source)), name="S288C")
    prepare_annotation(resources / "S288C_R64-1-1.99.gff3.gz", folder)
    return folder
