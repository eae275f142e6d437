"""The server in a process of its own, with clients that mean no good."""

import contextlib
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.application.conftest import random_dna
from tests.application.server.client import Server

DNA = random_dna(200, 5)
PAGES = ("/", "/app.js", "/files.js", "/plot.js", "/style.css", "/icon.svg")


def test_the_page_and_its_headers(server: Server) -> None:
    for path in PAGES:
        status, headers, content = server.ask(path)
        assert status == 200
        assert content
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in {name.lower() for name in headers}
        assert not [name for name in headers if name.lower().startswith("access-control")]
        assert b"http://" not in content.replace(b"http://www.w3.org/", b"")
        assert b"https://" not in content
    assert server.ask("/", method="HEAD")[0] == 200


def test_models_and_questions(server: Server, sequences: dict[str, str]) -> None:
    about = server.answer("/api/models", None)
    assert [model["name"] for model in about["models"]] == ["tuned", "<i>bases</i>"]
    assert about["genome"]["contigs"] == {"chr1": 3000, "chr2": 700, "chrM": 300}
    found = server.answer("/api/tracks", {"region": "chr2:101-200"})
    assert found["sequence"] == sequences["chr2"][100:200]
    assert (found["name"], found["start"]) == ("chr2", 100)
    bits = found["models"][1]["tracks"][0]["values"]
    assert len(bits) == 100
    assert min(bits) > 0


@pytest.mark.parametrize(
    ("question", "status", "sentence"),
    [
        ({"sequence": "HELLO WORLD, THIS IS NO DNA"}, 422, "is 'E'|is 'L'"),
        ({"sequence": "A" * 10_001}, 422, "10,001 bases; at most 10,000"),
        ({"sequence": "ACGT", "region": "chr1:1-4"}, 422, "either a sequence or a region"),
        ({}, 422, "either a sequence or a region"),
        ({"sequence": 5}, 422, "sequence: .*valid string"),
        ({"sequence": ["A"] * 50}, 422, "valid string"),
        ({"sequence": "ACGT", "models": "tuned"}, 422, "models: .*valid list"),
        ({"sequence": "ACGT", "models": ["../../etc/passwd"]}, 422, "no model ../../etc/passwd"),
        ({"sequence": "ACGT", "models": ["\ud800"]}, 422, "models.0: "),
        ({"sequence": "ACGT", "outputs": {"tuned": ["other"]}}, 422, "tuned has no track other"),
        ({"sequence": "ACGT", "file": "/etc/passwd"}, 422, "file: Extra inputs"),
        ({"region": "file:///etc/passwd"}, 422, "not understood"),
        ({"region": "chr1:1-99999999999999"}, 422, "does not lie inside"),
        ([1], 422, "valid dictionary"),
        ("ACGT", 422, "valid dictionary"),
    ],
)
def test_questions_that_make_no_sense(
    server: Server, question: object, status: int, sentence: str
) -> None:
    found = server.error("/api/tracks", question)
    assert found[0] == status
    assert re.search(sentence, found[1]), found[1]


@pytest.mark.parametrize(
    "change", [{"position": 0}, {"position": 5}, {"position": "1"}, {"position": 1.5},
               {"position": 10**30}, {"base": "N"}, {"base": "a"}, {"base": None}],
)  # fmt: skip
def test_mutations_that_make_no_sense(server: Server, change: dict[str, object]) -> None:
    status, _ = server.error(
        "/api/mutate", {"sequence": "ACGT", "position": 1, "base": "C"} | change
    )
    assert status == 422


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[" * 50_000, b'{"sequence": NaN}', b"", b'"' + b"9" * 9000]
)
def test_bodies_that_are_no_json(server: Server, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    status, _ = server.error("/api/tracks", body=body, headers=headers, method="POST")
    assert status in (400, 422)


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd",
     "/page/index.html", "/app.js/../../../etc/passwd", "/style.css%00", "/docs", "/openapi.json",
     "/api/../../etc/passwd", "/api/download?file=/etc/passwd", "/%ff"],
)  # fmt: skip
def test_no_path_leads_elsewhere(server: Server, path: str) -> None:
    assert server.error(path) == (404, "There is no such page.")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "192.168.0.7"}, 421),
        ({"Host": "localhost@evil.example"}, 421),
        ({"Host": "localhost:x"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_pages_of_others_get_nothing(server: Server, headers: dict[str, str], status: int) -> None:
    found = server.error("/api/tracks", {"sequence": DNA}, headers=headers)
    assert found[0] == status
    good = {"Host": f"localhost:{server.port + 1}", "Origin": f"http://localhost:{server.port + 1}"}
    assert server.ask("/api/models", headers=good)[0] == 200  # through a tunnel: another port


def test_methods(server: Server) -> None:
    assert server.error("/api/tracks", method="GET")[0] == 405
    for method in ("OPTIONS", "PUT", "DELETE", "TRACE"):
        assert server.error("/api/tracks", method=method)[0] == 405


def test_bodies_that_are_too_large(server: Server) -> None:
    large = json.dumps({"sequence": "A" * 3_000_000}).encode()
    status, sentence = server.error("/api/tracks", body=large)
    assert status == 413
    assert "at most 64,000 bytes" in sentence
    head = b"POST /api/tracks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunk = b"%x\r\n%s\r\n" % (50_000, b"A" * 50_000)
    found = server.raw(head + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)
    assert found.startswith(b"HTTP/1.1 413")
    for size in (b"999999999999", b"65000"):
        found = server.raw(head + b"Content-Length: " + size + b"\r\n\r\n{}")
        assert found.startswith(b"HTTP/1.1 413")
    for size in (b"-5", b"abc", b"5, 6", b"9" * 30):
        found = server.raw(head + b"Content-Length: " + size + b"\r\n\r\n{}")
        assert found.startswith(b"HTTP/1.1 400")
    # Shorter than it says: what follows is no request. With both headers: none either.
    found = server.raw(
        head + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}GET / HTTP/1.1\r\n\r\n"
    )
    assert found.count(b"HTTP/1.1 ") == 1
    assert server.alive()


def test_requests_that_are_no_http(server: Server) -> None:
    for text in [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ]:
        found = server.raw(text)
        assert found.split(b" ")[1] in (b"400", b"421", b"431"), found
        assert b"Traceback" not in found
    found = server.raw(
        b"GET /api/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n"
    )
    assert b"101 Switching" not in found
    assert server.alive()


def test_slow_and_silent_clients_are_let_go(server: Server) -> None:
    head = b"POST /api/tracks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    headers = (head[:30], *[b"X: y\r\n"] * 50)
    body = (head + b"Content-Length: 400\r\n\r\n", *[b" "] * 300)
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        nothing = (head + b"Content-Length: 9\r\n\r\n",)
        parts: list[tuple[bytes, ...]] = [(), headers, body, nothing]
        futures = [pool.submit(server.raw, *some, pause=0.4) for some in parts]
        while not all(future.done() for future in futures):
            assert server.alive()  # others are answered meanwhile
            time.sleep(1.5)
        answers = [future.result() for future in futures]
    assert time.monotonic() - begun < 25
    assert all(answer == b"" or b" 408 " in answer for answer in answers)
    assert b" 408 " in answers[3]


def test_clients_that_leave_or_do_not_read(server: Server) -> None:
    question = json.dumps({"sequence": random_dna(3000, 1)}).encode()
    head = (
        b"POST /api/tracks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(question)
    )
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + question)
    begun = time.monotonic()
    server.answer("/api/tracks", {"sequence": DNA})  # waits for none of them to the end
    assert time.monotonic() - begun < 20


def test_fifty_clients_at_once(server: Server) -> None:
    process = psutil.Process(server.pid)
    server.answer("/api/tracks", {"sequence": random_dna(4000, 2)})
    before = process.memory_info().rss
    text = random_dna(4000, 3)
    kinds = [
        {"question": {"sequence": text}},
        {"question": {"sequence": text[:60], "models": ["tuned"]}},
        {"body": b"[" * 60_000},
        {"body": b"A" * 2_000_000},
        {"question": None},
    ]

    def one(number: int) -> int:
        path = "/api/models" if number % 5 == 4 else "/api/tracks"
        with contextlib.suppress(ConnectionError):
            return server.ask(path, **kinds[number % 5], patient=False)[0]
        return 0

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(one, range(100)))
    assert set(found) <= {200, 400, 413, 429, 503}
    assert {200, 429} <= set(found)
    assert server.alive()
    growth = process.memory_info().rss - before
    assert growth < 100e6, f"{growth / 1e6:.0f} MB more"


def test_the_log_says_nothing_of_sequences(server: Server) -> None:
    server.answer("/api/tracks", {"sequence": DNA})
    server.error("/api/tracks", {"sequence": f"{DNA}!"})
    content = server.log.read_text()
    assert DNA[:12] not in content
    assert "Traceback" not in content
