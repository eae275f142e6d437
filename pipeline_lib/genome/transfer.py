"""One attempt at moving the bytes of a file, over HTTP (FTP: ``ftp``), into a part file.

An attempt returns when the part is whole, raises :class:`InterruptedTransferError` when another
attempt may do better, and :class:`~pipeline_lib.errors.DownloadError` when none will.
"""

import email.utils
import errno
import json
import re
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from pipeline_lib import __version__
from pipeline_lib.errors import DownloadError
from pipeline_lib.files import write_text
from pipeline_lib.progress import progress_bar

CONNECT_TIMEOUT = 15.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a single byte
BLOCK = 1 << 18

_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
CHECK_URL = "check the address in a browser"
_CHECK_NETWORK = "check the network connection and the address"


class InterruptedTransferError(Exception):
    """An attempt failed in a way that may pass: broken connection, time-out, busy server."""

    def __init__(
        self, problem: str, *, remedy: str = _CHECK_NETWORK, retry_after: float = 0
    ) -> None:
        super().__init__(problem)
        self.remedy, self.retry_after = remedy, retry_after


class PartFile:
    """The part of a download that is there already, and the version of the file it belongs to.

    Parameters
    ----------
    destination
        The part lies beside it as ``NAME.part``, the version as ``NAME.part.json``.
    url
        A part of another address is of no use and ignored.
    """

    def __init__(self, destination: Path, url: str) -> None:
        self.destination = destination
        self.path = destination.with_name(f"{destination.name}.part")
        self._note = destination.with_name(f"{destination.name}.part.json")
        self._url = shown(url)

    @property
    def size(self) -> int:
        """Bytes there are."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str | None:
        """What the server called the version of this part; None if it cannot be continued."""
        try:
            note = json.loads(self._note.read_text())
            return str(note["version"]) if note["url"] == self._url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def resumable(self) -> tuple[int, str | None]:
        """Return how many bytes may be kept and of which version: (0, None) for a fresh start."""
        return (self.size, self.version) if self.size and self.version else (0, None)

    def begin(self, offset: int, version: str | None) -> None:
        """Make the part ``offset`` bytes long, and note the version the rest will have."""
        self.path.touch()
        with self.path.open("r+b") as handle:
            handle.truncate(offset)
        if version is None:
            self._note.unlink(missing_ok=True)
        else:
            write_text(self._note, json.dumps({"url": self._url, "version": version}))

    def finish(self) -> None:
        """Move the whole file to its destination."""
        self.path.replace(self.destination)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Throw the part away."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def shown(url: str) -> str:
    """Return an address without the user name and password it may hold."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def transfer_http(url: str, part: PartFile) -> None:
    """Attempt an HTTP transfer, with a Range request where a part of the same version exists."""
    offset, version = part.resumable()
    # Without "identity" a server may compress anew, and sizes and checksums would not be those
    # of the file.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"dnalm/{__version__}"}
    if version is not None:
        headers |= {"Range": f"bytes={offset}-", "If-Range": version}
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
        ) as answer:
            _receive(answer, url, part, offset)
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"the server's certificate is not accepted ({plain_cause(error)})",
            path=shown(url),
            remedy="check the address and the clock of this machine",
        ) from error
    except requests.Timeout as error:
        raise InterruptedTransferError(
            f"the server did not answer within {READ_TIMEOUT:g} s"
        ) from error
    except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise InterruptedTransferError(plain_cause(error)) from error
    except requests.RequestException as error:
        raise DownloadError(
            f"the request is not possible ({error})", path=shown(url), remedy=CHECK_URL
        ) from error


def _receive(answer: requests.Response, url: str, part: PartFile, offset: int) -> None:
    _check_status(answer, url)
    if answer.status_code == 416:  # the part is as long as the file, or longer
        if answer.headers.get("Content-Range") == f"bytes */{offset}":
            return
        part.remove()
        raise InterruptedTransferError("the server would not continue the part")
    if answer.status_code != 206:
        offset = 0  # the whole file: Range is not supported, or the file has changed
    elif not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        part.remove()
        raise InterruptedTransferError("the server sent another range than asked for")
    part.begin(offset, _http_version(answer))
    length = answer.headers.get("Content-Length")
    total = offset + int(length) if length is not None and length.isdigit() else None
    with (
        part.path.open("ab") as handle,
        progress_bar(f"downloading {part.destination.name}", total=total, unit="B") as bar,
    ):
        bar.update(offset)
        # As stored on the server: requests' own iterator would undo a Content-Encoding.
        for block in answer.raw.stream(BLOCK, decode_content=False):
            handle.write(block)
            bar.update(len(block))
    check_size(part, total)


def _check_status(answer: requests.Response, url: str) -> None:
    status = f"the server answers {answer.status_code} {answer.reason}"
    if answer.status_code in _TEMPORARY:
        raise InterruptedTransferError(
            status,
            remedy="try again later",
            retry_after=_seconds(answer.headers.get("Retry-After")),
        )
    if answer.status_code not in (200, 206, 416):
        raise DownloadError(status, path=shown(url), remedy=CHECK_URL)


def _http_version(answer: requests.Response) -> str | None:
    """Return what If-Range may hold: a strong ETag, or else the date of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def _seconds(retry_after: str | None) -> float:
    """Read the header Retry-After: a number of seconds or a date."""
    if retry_after is None:
        return 0
    if retry_after.strip().isdigit():
        return int(retry_after)
    try:
        return max(0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0


def check_size(part: PartFile, total: int | None) -> None:
    """Raise InterruptedTransferError if the part is not of the size that the server stated."""
    if total is not None and part.size != total:
        raise InterruptedTransferError(
            f"the connection broke after {part.size:,} of {total:,} bytes"
        )


def plain_cause(error: BaseException) -> str:
    """Say in plain words what lies at the bottom of a chain of network errors."""
    chain: list[Any] = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) and below not in chain:
        chain.append(below)
    text = " ".join(str(item) for item in chain)
    if any(isinstance(item, socket.gaierror) for item in chain) or "NameResolution" in text:
        return "the host name cannot be resolved"
    if any(isinstance(item, ConnectionRefusedError) for item in chain) or "refused" in text:
        return "the connection was refused"
    if any(isinstance(item, TimeoutError) for item in chain) or re.search("timed? ?out", text):
        return "the connection timed out"
    if isinstance(chain[0], requests.exceptions.SSLError):
        return str(chain[-1])
    return "the connection broke"
