"""Opening the text files a user gives: plain, gzip or bgzip, told apart by their first bytes.

Whatever is not the text that was promised (a web page saved under the name of a genome, a
truncated download, an archive) is refused here, before a parser stumbles over it.
"""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum

BLOCK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
FETCH_AGAIN = "fetch the file again and compare its checksum with the publisher's"

_TWOBIT = "give it unpacked, and as the sequence of an assembly: it holds nothing else"

# What a file is (after any gzip layer) by its first bytes, and what to do about it.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", "unpack it, or compress it with gzip instead"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it, or compress it with gzip instead"),
    (b"BZh", "compressed with bzip2", "unpack it, or compress it with gzip instead"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it, or compress it with gzip instead"),
    (b"BAM\x01", "a BAM file of alignments", "give the reference itself"),
    (b"BCF\x02", "a BCF file of variants", "give the reference itself"),
    (b"CRAM", "a CRAM file of alignments", "give the reference itself"),
    (b"\x43\x27\x41\x1a", "a UCSC 2bit file", _TWOBIT),
    (b"\x1a\x41\x27\x43", "a UCSC 2bit file", _TWOBIT),
    (b"%PDF", "a PDF document", "give the data file itself"),
    (b"\xff\xfe", "text in UTF-16", "save it as plain text (UTF-8 or ASCII)"),
    (b"\xfe\xff", "text in UTF-16", "save it as plain text (UTF-8 or ASCII)"),
)


def read_blocks(path: Path, expected: str, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the uncompressed content of a text file in blocks of about ``size`` bytes.

    Parameters
    ----------
    path
        Plain, gzip or bgzip file.
    expected
        What the file should be, for messages: ``"FASTA"``.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, truncated, a web page or not text.
    """
    first = True
    with _open(path, expected) as handle:
        while block := _read(handle, path, size):
            if first:
                _check_is_text(block, path, expected)
                block = block.removeprefix(b"\xef\xbb\xbf")  # the mark some editors put in front
                first = False
            yield block
    if first:
        raise InputError("the file is empty", path=path, expected=expected, remedy=FETCH_AGAIN)


def read_lines(path: Path, expected: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a text file; see `read_blocks`."""
    done, rest = 0, b""
    for block in read_blocks(path, expected):
        *lines, rest = (rest + block).split(b"\n")
        for number, line in enumerate(lines, done + 1):
            yield number, _decode(line)
        done += len(lines)
    if rest:
        yield done + 1, _decode(rest)


def looks_like_html(content: bytes) -> bool:
    """Tell whether the first bytes of a file are those of a web page."""
    start = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head")) or (
        start.startswith((b"<?xml", b"<!--")) and b"<html" in start
    )


def check_sums(path: Path, *, sha256: str | None = None, md5: str | None = None) -> None:
    """Compare a file with the checksums its settings promise.

    Raises
    ------
    InputError
        If the file is missing or one of the sums differs.
    """
    for algorithm, wanted in (("sha256", sha256), ("md5", md5)):
        if wanted is None:
            continue
        _check_exists(path, "a file")
        found = checksum(path, algorithm)
        if found != wanted.lower():
            raise InputError(
                f"the {algorithm} of the file is {found}",
                path=path,
                expected=wanted.lower(),
                remedy=f"{FETCH_AGAIN}, or correct `{algorithm}` in the configuration",
            )


@contextmanager
def _open(path: Path, expected: str) -> Iterator[IO[bytes]]:
    _check_exists(path, expected)
    try:
        raw = path.open("rb")
    except PermissionError as error:
        raise InputError(
            "no permission to read the file", path=path, remedy="change its access rights"
        ) from error
    with raw:
        head = raw.read(18)
        if head[:2] != GZIP_MAGIC:
            raw.seek(0)
            yield raw
            return
        _check_bgzip_end(raw, head, path)
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield cast(IO[bytes], unpacked)


def _read(handle: IO[bytes], path: Path, size: int) -> bytes:
    try:
        return handle.read(size)
    except EOFError as error:
        raise _truncated(path) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"the compressed file is damaged ({error})", path=path, remedy=FETCH_AGAIN
        ) from error


def _check_bgzip_end(raw: IO[bytes], head: bytes, path: Path) -> None:
    """Refuse a bgzip file cut between two of its blocks, which gzip itself would not notice."""
    if len(head) == 18 and head[3] & 4 and head[12:14] == b"BC":
        raw.seek(max(0, os.fstat(raw.fileno()).st_size - len(BGZIP_END)))
        if raw.read() != BGZIP_END:
            raise _truncated(path)


def _truncated(path: Path) -> InputError:
    return InputError(
        "the compressed file is truncated: its end is missing", path=path, remedy=FETCH_AGAIN
    )


def _check_exists(path: Path, expected: str) -> None:
    if path.is_dir():
        raise InputError(
            "this is a folder", path=path, expected=expected, remedy="name the file inside it"
        )
    if not path.exists():
        raise InputError(
            "the file does not exist", path=path, expected=expected, remedy="correct the path"
        )


def _check_is_text(block: bytes, path: Path, expected: str) -> None:
    if looks_like_html(block):
        raise InputError(
            "this is a web page (HTML)",
            path=path,
            expected=expected,
            remedy="download the data file itself, not the page that links to it",
        )
    for magic, kind, remedy in _KINDS:
        if block.startswith(magic):
            raise InputError(f"this is {kind}", path=path, expected=expected, remedy=remedy)
    if b"\0" in block[:4096]:
        raise InputError(
            "this is a binary file, not text",
            path=path,
            expected=expected,
            remedy=f"give a {expected} file: plain, gzip or bgzip",
        )


def _decode(line: bytes) -> str:
    line = line.removesuffix(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
