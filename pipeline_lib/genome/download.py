"""Downloads over https, http and ftp that survive a bad line.

An interrupted download leaves ``NAME.part`` beside the destination, with a note of the version
it is a part of; the next attempt, or the next run, goes on from there if the server still has
that version. The destination appears only when the file is whole and its checksum right.
"""

import html
import logging
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline_lib.errors import DownloadError, InputError
from pipeline_lib.files import checksum
from pipeline_lib.genome.ftp import transfer_ftp, transfer_ftp_names
from pipeline_lib.genome.source import looks_like_html
from pipeline_lib.genome.transfer import (
    InterruptedTransferError,
    PartFile,
    shown,
    transfer_http,
)
from pipeline_lib.genome.unixsum import unix_sum_differs

PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
LONGEST_PAUSE = 120.0  # also of what a server may ask for with Retry-After

_Transfer = Callable[[str, PartFile], None]
_TRANSFERS: dict[str, _Transfer] = {
    "https": transfer_http,
    "http": transfer_http,
    "ftp": transfer_ftp,
}
_LISTINGS: dict[str, _Transfer] = {**_TRANSFERS, "ftp": transfer_ftp_names}
_LINK = re.compile(r"""<a\s[^>]*?href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)

log = logging.getLogger(__name__)


def fetch(
    url: str,
    destination: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    unix_sum: str | None = None,
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
    unix_sum
        Checksum and number of blocks, as the command ``sum`` prints them.
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
    transfer = _by_scheme(url, _TRANSFERS)
    with _write_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        part = PartFile(destination, url)
        _transfer(url, part, retries, transfer)
        _check_content(url, part)
        _check_sums(url, part, {"sha256": sha256, "md5": md5})
        _check_unix_sum(url, part, unix_sum)
        part.finish()


def fetch_text(url: str, *, retries: int = 5) -> str:
    """Return the content of a small text file: a table of checksums, say."""
    with tempfile.TemporaryDirectory() as folder:
        fetch(url, Path(folder) / "text", retries=retries)
        return (Path(folder) / "text").read_text(encoding="utf-8", errors="replace")


def fetch_names(url: str, *, retries: int = 5) -> list[str]:
    """Return the names in a folder of a server: the links of its page, or an FTP listing."""
    transfer = _by_scheme(url, _LISTINGS)
    with tempfile.TemporaryDirectory() as folder, _write_errors(Path(folder)):
        part = PartFile(Path(folder) / "listing", url)
        _transfer(url, part, retries, transfer)
        text = part.path.read_text(encoding="utf-8", errors="replace")
    if transfer is transfer_ftp_names:
        return [name for name in text.splitlines() if name]
    links = (html.unescape(link).partition("?")[0] for link in _LINK.findall(text))
    names = (unquote(link.rstrip("/").rpartition("/")[2]) for link in links)
    return list(dict.fromkeys(name for name in names if name not in ("", ".", "..")))


def _by_scheme(url: str, transfers: dict[str, _Transfer]) -> _Transfer:
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise DownloadError(
            f"{url!r} is not an address ({error})", remedy="correct the address"
        ) from error
    if scheme not in transfers:
        raise DownloadError(
            f"the address begins with {scheme + ':' if scheme else 'no scheme'}",
            path=shown(url),
            expected="https:, http: or ftp:",
            remedy="correct the address, or download the file yourself and give its path",
        )
    return transfers[scheme]


def _transfer(url: str, part: PartFile, retries: int, run: _Transfer) -> None:
    """Attempt the transfer until it succeeds or ``retries`` attempts in a row got no further."""
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


def _check_content(url: str, part: PartFile) -> None:
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


def _check_sums(url: str, part: PartFile, sums: dict[str, str | None]) -> None:
    for algorithm, wanted in sums.items():
        if wanted is None:
            continue
        found = checksum(part.path, algorithm)
        if found != wanted.lower():
            raise _wrong_sum(url, part, algorithm, found, wanted.lower())


def _check_unix_sum(url: str, part: PartFile, wanted: str | None) -> None:
    if wanted is not None and (found := unix_sum_differs(part.path, wanted)):
        raise _wrong_sum(url, part, "sum (checksum, blocks)", found, wanted)


def _wrong_sum(url: str, part: PartFile, algorithm: str, found: str, wanted: str) -> DownloadError:
    part.remove()
    return DownloadError(
        f"the {algorithm} of the download is {found}",
        path=shown(url),
        expected=wanted,
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
