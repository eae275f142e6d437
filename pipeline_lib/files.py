"""Files that are either whole or absent: write beside, sync, rename."""

import errno
import glob
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
    temporary = _temporary(path)
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _remove_leftovers(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; put it in its place on success."""
    path = Path(path)
    temporary = _temporary(path)
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
            _remove_leftovers(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def link_or_copy(source: Path, destination: Path) -> None:
    """Give a file a second name; where the file system has no hard links, copy it."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


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


def _temporary(path: Path) -> Path:
    return path.with_name(f".{uuid.uuid4().hex[:12]}.part.{path.name}")


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of earlier attempts, which were killed before they could."""
    for leftover in path.parent.glob(f".{'?' * 12}.part.{glob.escape(path.name)}"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


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
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if full or "No space left" in str(error):
            free = shutil.disk_usage(_existing_parent(path)).free
            raise InputError(
                "the disk is full, or the quota is used up "
                f"({free / 1e6:,.0f} MB free on the disk); nothing half-written was kept",
                path=path,
                remedy="free some space or run elsewhere with `snakemake --directory DIR`",
            ) from error
        if error.errno == errno.EROFS:
            raise InputError(
                "the file system is read-only",
                path=path,
                remedy="run in a writable folder with `snakemake --directory DIR`",
            ) from error
        raise


def sync_directory(path: Path) -> None:
    """Make sure that a rename in a folder outlives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some file systems do not do it for folders
        pass
    finally:
        os.close(handle)


def _existing_parent(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())
