"""One attempt at an FTP transfer, of a file or of the names in a folder; see ``transfer``."""

import ftplib
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from pipeline_lib.errors import DownloadError
from pipeline_lib.genome import transfer
from pipeline_lib.genome.transfer import (
    BLOCK,
    CHECK_URL,
    CONNECT_TIMEOUT,
    DISK_ERRORS,
    InterruptedTransferError,
    PartFile,
    check_size,
    plain_cause,
    shown,
)
from pipeline_lib.progress import progress_bar

_Work = Callable[[ftplib.FTP, str, PartFile], None]


def transfer_ftp(url: str, part: PartFile) -> None:
    """Attempt an FTP transfer, with REST where a part of the same size and date exists."""
    _connected(url, part, _retrieve)


def transfer_ftp_names(url: str, part: PartFile) -> None:
    """Attempt to list a folder; the part gets one name a line."""
    _connected(url, part, _list)


def _connected(url: str, part: PartFile, work: _Work) -> None:
    parts = urlsplit(url)
    try:
        with ftplib.FTP(timeout=transfer.READ_TIMEOUT) as ftp:
            ftp.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT, CONNECT_TIMEOUT)
            ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
            ftp.timeout = transfer.READ_TIMEOUT  # of the data connection, opened later
            work(ftp, unquote(parts.path), part)
    except ftplib.error_perm as error:
        raise DownloadError(
            f"the server answers {error}", path=shown(url), remedy=CHECK_URL
        ) from error
    except (ftplib.Error, EOFError) as error:
        raise InterruptedTransferError(f"the connection broke ({error or 'no answer'})") from error
    except ValueError as error:  # a port that is no number, a line end in the path
        raise DownloadError(
            f"the address is not usable ({error})", path=shown(url), remedy=CHECK_URL
        ) from error
    except OSError as error:
        if error.errno in DISK_ERRORS or error.filename is not None:
            raise
        raise InterruptedTransferError(plain_cause(error)) from error


def _retrieve(ftp: ftplib.FTP, path: str, part: PartFile) -> None:
    ftp.voidcmd("TYPE I")
    total = ftp.size(path)
    version = _version(ftp, path, total)
    offset, known = part.resumable()
    if known != version or (total is not None and offset > total):
        offset = 0
    part.begin(offset, version)
    with (
        part.path.open("ab") as handle,
        progress_bar(f"downloading {part.destination.name}", total=total, unit="B") as bar,
        ftp.transfercmd(f"RETR {path}", rest=offset or None) as data,
    ):
        bar.update(offset)
        while block := data.recv(BLOCK):
            handle.write(block)
            bar.update(len(block))
    check_size(part, total)
    ftp.voidresp()


def _list(ftp: ftplib.FTP, path: str, part: PartFile) -> None:
    names = [name.rstrip("/").rpartition("/")[2] for name in ftp.nlst(path.rstrip("/") or "/")]
    part.begin(0, None)
    part.path.write_text("\n".join(names) + "\n", encoding="utf-8")


def _version(ftp: ftplib.FTP, path: str, size: int | None) -> str | None:
    try:
        return f"{size} bytes, {ftp.voidcmd(f'MDTM {path}')}"
    except ftplib.error_perm:  # the command is not known to every server
        return None
