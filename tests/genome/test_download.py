"""Downloads against real servers on this machine that misbehave in every way known to us."""

import email.utils
import hashlib
import http.server
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.servers import FTPServer

from pipeline_lib.errors import DownloadError, InputError
from pipeline_lib.genome import download, fetch, transfer

CONTENT = bytes(range(256)) * 4000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Site:
    """What a server has, how it misbehaves, and what it was asked."""

    content: bytes = CONTENT
    version: str | None = '"v1"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes sent before each breakdown
    stall_after: list[int] = field(default_factory=list)  # bytes sent before a long silence
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # before the file
    encoding: str | None = None
    url: str = ""
    requests: list[dict[str, str]] = field(default_factory=list)

    def offset(self, headers: dict[str, str]) -> int:
        if not self.ranges or "Range" not in headers:
            return 0
        if headers.get("If-Range") != self.version:
            return 0
        return int(re.fullmatch(r"bytes=(\d+)-", headers["Range"])[1])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.requests.append(dict(self.headers))
        if self.path == "/moved":
            return self._answer(302, {"Location": "/file"})
        if self.path == "/circle":
            return self._answer(302, {"Location": "/circle"})
        if self.path == "/silent":
            time.sleep(1.5)
            return None
        if self.path != "/file":
            return self._answer(404, {})
        if site.answers:
            return self._answer(*site.answers.pop(0))
        return self._send_file(site)

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": "0"}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send_file(self, site: Site) -> None:
        offset = site.offset(dict(self.headers))
        size = len(site.content)
        if offset >= size > 0:
            return self._answer(416, {"Content-Range": f"bytes */{size}"})
        self.send_response(206 if offset else 200)
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{size - 1}/{size}")
        if site.version:
            name = "ETag" if '"' in site.version else "Last-Modified"
            self.send_header(name, site.version)
        if site.encoding:
            self.send_header("Content-Encoding", site.encoding)
        self.send_header("Content-Length", str(size - offset))
        self.end_headers()
        if site.stall_after:
            self.wfile.write(site.content[offset : offset + site.stall_after.pop(0)])
            self.wfile.flush()
            time.sleep(1.0)
            self.close_connection = True
        elif site.break_after:
            self.wfile.write(site.content[offset : offset + site.break_after.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(site.content[offset:])
        return None


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # clients that hang up are part of the plan
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        site.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.001)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "folder" / "genome.fa.gz"


def leftovers(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()} - {target.name}


def refused(call: Callable[[], None], kind: type[Exception] = DownloadError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("path", ["/file", "/moved"])
def test_file_with_right_sums(path, site, target):
    fetch(site.url + path, target, sha256=SHA256.upper(), md5=MD5)
    assert target.read_bytes() == CONTENT and leftovers(target) == set()
    assert site.requests[0]["Accept-Encoding"] == "identity"


def test_broken_connection_goes_on_from_there(site, target):
    site.break_after = [300_000, 200_000]
    fetch(site.url + "/file", target, sha256=SHA256, retries=1)
    ranges = [request.get("Range") for request in site.requests]
    assert ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert target.read_bytes() == CONTENT and leftovers(target) == set()


def test_progress_refills_the_attempts_but_standstill_ends(site, target):
    site.break_after = [1000] * 8
    fetch(site.url + "/file", target, sha256=SHA256, retries=1)  # eight breaks, each with progress
    site.break_after = [0] * 20
    message = refused(lambda: fetch(site.url + "/file", target, retries=2))
    assert "gave up after 3 attempts without progress" in message
    assert target.read_bytes() == CONTENT  # of the first download


def test_next_run_goes_on(site, target):
    site.break_after = [400_000, 0]
    refused(lambda: fetch(site.url + "/file", target, retries=0))
    assert not target.exists()
    assert leftovers(target) == {"genome.fa.gz.part", "genome.fa.gz.part.json"}
    site.break_after = []
    fetch(site.url + "/file", target, sha256=SHA256)
    assert site.requests[-1]["Range"] == "bytes=400000-"
    assert site.requests[-1]["If-Range"] == '"v1"'
    assert target.read_bytes() == CONTENT and leftovers(target) == set()


@pytest.mark.parametrize("version", [email.utils.formatdate(0, usegmt=True), '"v0"'])
def test_changed_file_is_begun_anew(version, site, target):
    site.content, site.version, site.break_after = CONTENT[::-1], version, [400_000]
    refused(lambda: fetch(site.url + "/file", target, retries=0))
    site.content, site.version = CONTENT, '"v1"'
    fetch(site.url + "/file", target)
    assert site.requests[-1]["If-Range"] == version
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("version", [None, 'W/"weak"'])
def test_without_a_version_to_rely_on_nothing_is_continued(version, site, target):
    site.version, site.break_after = version, [400_000]
    fetch(site.url + "/file", target, sha256=SHA256)
    assert [request.get("Range") for request in site.requests] == [None, None]


def test_server_that_ignores_ranges(site, target):
    site.ranges, site.break_after = False, [400_000]
    fetch(site.url + "/file", target, sha256=SHA256)
    assert site.requests[1]["Range"] == "bytes=400000-"
    assert target.read_bytes() == CONTENT


def test_part_of_another_address_is_not_used(site, target):
    site.break_after = [400_000]
    refused(lambda: fetch(site.url + "/file", target, retries=0))
    fetch(site.url + "/moved", target, sha256=SHA256)
    assert "Range" not in site.requests[-1]


def test_whole_part_is_not_fetched_again(site, target):
    site.break_after = [len(CONTENT)]
    part = transfer.PartFile(target, site.url + "/file")
    target.parent.mkdir()
    part.begin(0, '"v1"')
    part.path.write_bytes(CONTENT)
    fetch(site.url + "/file", target, sha256=SHA256)
    assert target.read_bytes() == CONTENT and site.break_after  # nothing was sent


def test_part_longer_than_the_file_is_thrown_away(site, target):
    target.parent.mkdir()
    part = transfer.PartFile(target, site.url + "/file")
    part.begin(0, '"v1"')
    part.path.write_bytes(CONTENT + b"x")
    fetch(site.url + "/file", target, sha256=SHA256)


def test_busy_server_is_asked_again_when_it_says(site, target, caplog):
    site.answers = [(503, {"Retry-After": "1"}), (429, {"Retry-After": "1"}), (500, {})]
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        fetch(site.url + "/file", target, sha256=SHA256)
    assert 2.0 <= time.monotonic() - start < 30
    assert "503 Service Unavailable; next attempt in 1 s" in caplog.text
    assert "429 Too Many Requests; next attempt in 1 s" in caplog.text


def test_retry_after_may_be_a_date():
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 55 < transfer._seconds(in_a_minute) <= 60
    assert transfer._seconds("7") == 7
    assert transfer._seconds("soon") == transfer._seconds(None) == 0


def test_pauses_grow_and_are_bounded(site, target, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(download, "PAUSE", 1.0)
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    site.answers = [(503, {})] * 9 + [(503, {"Retry-After": "100000"})]
    fetch(site.url + "/file", target, retries=10)
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert max(pauses) == pauses[-1] == download.LONGEST_PAUSE


def test_server_that_stays_busy(site, target):
    site.answers = [(503, {})] * 10
    message = refused(lambda: fetch(site.url + "/file", target, retries=2))
    assert "503 Service Unavailable; gave up after 3 attempts" in message
    assert "try again later" in message and len(site.requests) == 3


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_wrong_sum_leaves_nothing(algorithm, site, target):
    wrong = "0" * (64 if algorithm == "sha256" else 32)
    message = refused(lambda: fetch(site.url + "/file", target, **{algorithm: wrong}))
    found = SHA256 if algorithm == "sha256" else MD5
    assert site.url + "/file" in message
    assert f"the {algorithm} of the download is {found}; expected {wrong}" in message
    assert not target.exists() and leftovers(target) == set()


def test_not_found_is_not_tried_again(site, target):
    message = refused(lambda: fetch(site.url + "/absent", target))
    assert "the server answers 404 Not Found" in message and site.url in message
    assert len(site.requests) == 1 and leftovers(target) == set()


def test_web_page(site, target):
    site.content = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
    message = refused(lambda: fetch(site.url + "/file", target, sha256=SHA256))
    assert "web page (HTML)" in message
    assert not target.exists() and leftovers(target) == set()


def test_empty_file(site, target):
    site.content = b""
    assert "the file is empty" in refused(lambda: fetch(site.url + "/file", target))
    assert leftovers(target) == set()


def test_bytes_are_kept_as_they_are_on_the_server(site, target):
    site.encoding = "gzip"  # some servers say so of every .gz file; it must not be unpacked
    fetch(site.url + "/file", target, sha256=SHA256)


def test_redirects_in_a_circle(site, target):
    assert "redirects" in refused(lambda: fetch(site.url + "/circle", target))


def test_time_out(site, target, monkeypatch):
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.2)
    message = refused(lambda: fetch(site.url + "/silent", target, retries=1))
    assert "did not answer within 0.2 s" in message and "gave up after 2 attempts" in message


def test_server_that_falls_silent_half_way(site, target, monkeypatch):
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.3)
    site.stall_after = [300_000]
    fetch(site.url + "/file", target, sha256=SHA256, retries=1)
    start = int(site.requests[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 300_000
    assert target.read_bytes() == CONTENT and leftovers(target) == set()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_refused_connection(scheme, closed_port, target):
    url = f"{scheme}://127.0.0.1:{closed_port}/file"
    message = refused(lambda: fetch(url, target, retries=1))
    assert "the connection was refused" in message and url in message


@pytest.mark.parametrize("scheme", ["https", "ftp"])
def test_unknown_host(scheme, target):
    url = f"{scheme}://no-such-host.invalid/genome.fa.gz"
    message = refused(lambda: fetch(url, target, retries=1))
    assert "the host name cannot be resolved" in message


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "begins with file:; expected https:, http: or ftp:"),
        ("genome.fa", "begins with no scheme"),
        ("http://", "the request is not possible"),
        ("http://[half/genome.fa", "is not an address"),
        ("ftp://host:port/genome.fa", "the address is not usable"),
        ("ftp://127.0.0.1/a%0D%0Ab", "the connection was refused"),
    ],
)
def test_unusable_addresses(url, words, target):
    assert words in refused(lambda: fetch(url, target))


def test_password_is_not_shown(site, target):
    url = site.url.replace("http://", "http://me:secret@") + "/absent"
    message = refused(lambda: fetch(url, target))
    assert "secret" not in message and "127.0.0.1" in message


def test_unwritable_folder(site, unwritable):
    with unwritable() as folder:
        message = refused(lambda: fetch(site.url + "/file", folder / "a.fa"), InputError)
    assert "cannot be written: Permission denied" in message
    assert list(folder.iterdir()) == []


def test_full_disk_keeps_the_part_for_later(site, tiny_disk):
    target = tiny_disk / "a.fa"
    message = refused(lambda: fetch(site.url + "/file", target), InputError)
    assert "No space left on device" in message and not target.exists()


@pytest.fixture
def ftp_site(tmp_path) -> Iterator[Site]:
    """A real FTP server; `break_after` cuts its data connections."""
    site = Site()
    folder = tmp_path / "ftp"
    folder.mkdir()
    (folder / "file").write_bytes(CONTENT)
    (folder / "page").write_bytes(b"<html></html>")

    class Cut:
        """Delivers some bytes of a file, then fails as a broken disk does."""

        def __init__(self, producer, count):
            self.producer, self.left = producer, count

        def more(self):
            if self.left == 0:
                raise OSError("broken on purpose")
            block = self.producer.more()[: self.left]
            self.left -= len(block)
            return block

    class Channel(DTPHandler):
        def push_with_producer(self, producer):
            if site.break_after:
                producer = Cut(producer, site.break_after.pop(0))
            super().push_with_producer(producer)

    class SiteHandler(FTPHandler):
        authorizer = DummyAuthorizer()
        dtp_handler = Channel
        use_sendfile = False
        auth_failed_timeout = 0

        def ftp_REST(self, line):
            site.requests.append({"Range": line})
            return super().ftp_REST(line)

    SiteHandler.authorizer.add_anonymous(str(folder))
    SiteHandler.authorizer.add_user("me", "secret", str(folder))
    server = FTPServer(("127.0.0.1", 0), SiteHandler)
    running = threading.Event()
    running.set()

    def serve() -> None:
        while running.is_set():
            server.serve_forever(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    site.url = f"ftp://127.0.0.1:{server.address[1]}"
    site.folder = folder
    yield site
    running.clear()
    thread.join()
    server.close_all()


def test_ftp(ftp_site, target):
    fetch(ftp_site.url + "/file", target, sha256=SHA256, md5=MD5)
    assert target.read_bytes() == CONTENT and leftovers(target) == set()


def test_ftp_with_a_password(ftp_site, target):
    fetch(ftp_site.url.replace("//", "//me:secret@") + "/file", target, sha256=SHA256)
    message = refused(
        lambda: fetch(ftp_site.url.replace("//", "//me:wrong@") + "/file", target, retries=0)
    )
    assert "530" in message and "wrong" not in message


def test_ftp_goes_on_from_there(ftp_site, target):
    ftp_site.break_after = [300_000]
    fetch(ftp_site.url + "/file", target, sha256=SHA256)
    assert [request["Range"] for request in ftp_site.requests] == ["300000"]
    assert target.read_bytes() == CONTENT and leftovers(target) == set()


def test_ftp_changed_file_is_begun_anew(ftp_site, target):
    ftp_site.break_after = [300_000]
    refused(lambda: fetch(ftp_site.url + "/file", target, retries=0))
    assert leftovers(target) == {"genome.fa.gz.part", "genome.fa.gz.part.json"}
    (ftp_site.folder / "file").write_bytes(CONTENT[::-1] + b"more")
    fetch(ftp_site.url + "/file", target)
    assert ftp_site.requests == []
    assert target.read_bytes() == CONTENT[::-1] + b"more"


def test_ftp_absent_file_and_web_page(ftp_site, target):
    message = refused(lambda: fetch(ftp_site.url + "/absent", target))
    assert "550" in message and ftp_site.url + "/absent" in message
    assert "web page" in refused(lambda: fetch(ftp_site.url + "/page", target))
    assert leftovers(target) == set()
