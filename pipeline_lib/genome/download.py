"""Downloads over https, http and ftp that survive a bad line.

An interrupted download leaves ``NAME.part`` beside the destination, with a note of the version
it is a part of; the next attempt, or the next run, goes on from there if the server still has
that version. The destination appears only when the file is whole and its checksum right.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pipeline_lib.errors import DownloadError, InputError
from pipeline_lib.files import checksum
from pipeline_lib.genome.source import looks_like_html
from pipeline_lib.genome.transfer import (
    InterruptedTransferError,
    PartFile,
    shown,
    transfer_ftp,
    transfer_http,
)

PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 120.0  # also of what a server may ask for with Retry-After

_TRANSFERS = {"https": transfer_http, "http": transfer_http, "ftp": transfer_ftp}

log = logging.getLogger(__name__)


def fetch(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    retries: int = 5,
) -> None:
    """Download a file, going on with what an earlier attempt left.

    Parameters
    ----------
    url
        https, http or ftp address.
    destination
        Where the file goes; it is replaced only by a whole file.
    sha256, md5
        Checksums the file must have, in hexadecimal.
    retries
        How often to try again, in a row without any progress, after a broken connection, a
        time-out or an answer of a server that is only temporarily unable.

    Raises
    ------
    DownloadError
        If the file cannot be had, is a web page, or has another checksum.
    InputError
        If it cannot be written.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _TRANSFERS:
        raise DownloadError(
            f"the address begins with {scheme + ':' if scheme else 'no scheme'}",
            path=shown(url),
            expected="https:, http: or ftp:",
            remedy="correct the address, or download the file yourself and give its path",
        )
    with _write_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        part = PartFile(destination, url)
        _transfer(url, part, retries)
        _check_content(url, part, {"sha256": sha256, "md5": md5})
        part.finish()


def _transfer(url: str, part: PartFile, retries: int) -> None:
    """Attempt the transfer until it succeeds or ``retries`` attempts in a row got no further."""
    run = _TRANSFERS[urlsplit(url).scheme.lower()]
    furthest, failures = part.size, 0
    while True:
        try:
            run(url, part)
            return
        except InterruptedTransferError as problem:
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures > retries:
                raise DownloadError(
                    f"{problem}; gave up after {failures:,} attempts without progress",
                    path=shown(url),
                    remedy=f"{problem.remedy}; a new run goes on from the {part.size:,} bytes had",
                ) from problem
            pause = max(PAUSE * 2 ** (failures - 1), problem.retry_after)
            pause = min(pause, LONGEST_PAUSE)
            log.warning("%s: %s; next attempt in %.0f s", shown(url), problem, pause)
            time.sleep(pause)


def _check_content(url: str, part: PartFile, sums: dict[str, str | None]) -> None:
    with part.path.open("rb") as handle:
        start = handle.read(1024)
    if looks_like_html(start):
        part.remove()
        raise DownloadError(
            "the server sent a web page (HTML) instead of the file",
            path=shown(url),
            remedy="open the address in a browser: it may have moved or need a login",
        )
    if not start:
        part.remove()
        raise DownloadError("the file is empty", path=shown(url), remedy="correct the address")
    for algorithm, wanted in sums.items():
        if wanted is None:
            continue
        found = checksum(part.path, algorithm)
        if found != wanted.lower():
            part.remove()
            raise DownloadError(
                f"the {algorithm} of the download is {found}",
                path=shown(url),
                expected=wanted.lower(),
                remedy="run again in case the transfer was faulty; if the sum stays the same, the "
                "publisher has changed the file: check it and correct the configuration",
            )


@contextmanager
def _write_errors(destination: Path) -> Iterator[None]:
    """Turn what the file system refuses into a sentence; the part is kept for a later run."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the download cannot be written: {error.strerror or error}",
            path=error.filename or destination,
            remedy="free some space or give the folder's owner the right to write, then run "
            "again: it goes on from where it stopped",
        ) from error
