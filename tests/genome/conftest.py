"""What the tests of the genome stage share."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import prepare_genome

NOBODY = 65534


@pytest.fixture(scope="session")
def assembly() -> Callable[..., Assembly]:
    """Return a maker of settings that drop nothing for its length unless told."""

    def make(**changes: object) -> Assembly:
        return Assembly(**({"path": "genome.fa", "min_contig_length": 1} | changes))

    return make


@pytest.fixture(scope="session")
def random_dna() -> Callable[..., str]:
    """Return a maker of reproducible sequence."""

    def make(length: int, seed: int = 1, gc: float = 0.5) -> str:
        chances = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
        letters = np.random.default_rng(seed).choice(list("ACGT"), size=length, p=chances)
        return "".join(letters)

    return make


@pytest.fixture
def prepare(tmp_path: Path, assembly: Callable[..., Assembly]) -> Callable[..., Path]:
    """Return a function that prepares a genome from text and returns its folder."""

    def make(
        text: str, *, report: str | None = None, aliases: str | None = None, **changes
    ) -> Path:
        paths = {"genome.fa": text, "report.txt": report, "aliases.txt": aliases}
        for name, content in paths.items():
            if content is not None:
                (tmp_path / name).write_text(content)
        prepare_genome(
            tmp_path / "genome.fa",
            tmp_path / "prepared",
            assembly(**changes),
            name="test",
            report=tmp_path / "report.txt" if report is not None else None,
            aliases=tmp_path / "aliases.txt" if aliases is not None else None,
        )
        return tmp_path / "prepared"

    return make


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a real file system of 256 kB, or skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a tiny disk needs root; RLIMIT_FSIZE covers the case otherwise")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def unwritable() -> Iterator[Callable[[], object]]:
    """Return (folder, context): inside the context nothing can be written to the folder."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        folder = base / "locked"
        folder.mkdir(mode=0o755)
        folder.chmod(0o555)

        @contextmanager
        def as_ordinary_user() -> Iterator[Path]:
            if os.geteuid() != 0:
                yield folder
                return
            os.seteuid(NOBODY)
            try:
                yield folder
            finally:
                os.seteuid(0)

        yield as_ordinary_user
        folder.chmod(0o755)
