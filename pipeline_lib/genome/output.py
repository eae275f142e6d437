"""Writing bgzip files and their indices, whole or not at all.

htslib reports a failed write without its cause; here the cause is found out, so that a full disk
is called a full disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysam
from pysam.utils import SamtoolsError

from pipeline_lib.files import atomic_directory

# pysam's annotation leaves out the digit that sets the level.
_MODE: Any = "wb4"  # compression level 4: on DNA five times as fast as level 6, and 4 % larger


@contextmanager
def staged_files(directory: Path) -> Iterator[Path]:
    """Yield an empty folder; on success move its files into ``directory``, else discard them.

    Unlike ``atomic_directory`` this leaves other files of ``directory`` alone: several rules
    write into the folder of an assembly.
    """
    staging = directory / ".staged"
    with atomic_directory(staging) as temporary:
        yield temporary
    for file in sorted(staging.iterdir()):
        file.replace(directory / file.name)
    staging.rmdir()


@contextmanager
def bgzip_writer(path: Path) -> Iterator[Any]:
    """Yield a handle whose ``write(bytes)`` compresses to bgzip."""
    with _cause_of_failure(path):
        handle = pysam.BGZFile(str(path), _MODE, None)
        try:
            yield handle
        finally:
            handle.close()


def index_fasta(path: Path, lengths: dict[str, int]) -> None:
    """Write the ``.fai`` and ``.gzi`` of a bgzip FASTA file, and check them against ``lengths``."""
    with _cause_of_failure(path):
        pysam.faidx(str(path))
        rows = path.with_name(f"{path.name}.fai").read_text().splitlines()
        found = {row.split("\t")[0]: int(row.split("\t")[1]) for row in rows}
        if found != lengths:
            raise OSError("the index of the FASTA file is incomplete")


def index_gff(path: Path) -> None:
    """Write the ``.tbi`` of a sorted bgzip GFF3 file."""
    with _cause_of_failure(path):
        pysam.tabix_index(str(path), preset="gff", force=True)


@contextmanager
def _cause_of_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SamtoolsError) as error:
        if getattr(error, "errno", None) is None:
            _write_until_it_fails(path)
        raise


def _write_until_it_fails(path: Path, size: int = 1 << 20) -> None:
    """Write beside ``path``, which raises the OSError that htslib kept to itself."""
    probe = path.with_name(f"{path.name}.probe")
    try:
        with probe.open("wb", buffering=0) as handle:
            while handle.tell() < size:
                handle.write(bytes(1 << 16))
    finally:
        probe.unlink(missing_ok=True)
