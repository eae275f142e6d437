"""Files that are either whole or absent: write beside, sync, rename."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_lib.errors import InputError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` on success.

    On any exception (a full disk included) the temporary file is removed and ``path`` is left
    as it was. The suffix of ``path`` is kept, since many writers choose their format by it.

    Raises
    ------
    InputError
        If the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.part.{path.name}")
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; put it in its place on success."""
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex[:12]}.part.{path.name}")
    with _disk_errors(path):
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text())


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def checksum(path: str | Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file, read in pieces of 1 MiB."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise InputError(
            "no permission to write here",
            path=error.filename or path,
            remedy="choose a folder you own with `snakemake --directory DIR`, or change the rights",
        ) from error
    except (NotADirectoryError, FileExistsError) as error:
        raise InputError(
            "a file of this name is in the way: not a folder",
            path=error.filename or path,
            remedy="move it away, or choose another folder with `snakemake --directory DIR`",
        ) from error
    except OSError as error:
        if error.errno == 28 or "No space left" in str(error):  # ENOSPC
            free = shutil.disk_usage(_existing_parent(path)).free
            raise InputError(
                f"the disk is full ({free / 1e6:,.0f} MB free); nothing half-written was kept",
                path=path,
                remedy="free some space or run elsewhere with `snakemake --directory DIR`",
            ) from error
        if error.errno == 30:  # EROFS
            raise InputError(
                "the file system is read-only",
                path=path,
                remedy="run in a writable folder with `snakemake --directory DIR`",
            ) from error
        raise


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())
