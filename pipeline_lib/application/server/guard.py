"""What every request has to pass before anything looks at it, and headers of every answer."""

import asyncio
import ipaddress
import json
import logging
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_lib.application.server.limits import Limits, Rates, Refused

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
DISCARDED = 4_000_000
"""Bytes of a refused body that are read and dropped, so that the client reads the answer."""
DISCARDING = 1.0
METHODS = ("GET", "HEAD", "POST")

log = logging.getLogger(__name__)


class Guard:
    """An application that passes on the requests that may be answered.

    Parameters
    ----------
    app
        Answers them.
    limits
        Of the server.
    hosts
        Names by which the server may be asked for: a page elsewhere whose name was made to point
        here asks for it by that name.
    numeric
        Whether it may be asked for by any numeric address: names can be made to point here, these
        cannot.
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, hosts: Iterable[str], *, numeric: bool
    ) -> None:
        self._app, self._limits, self._rates = app, limits, Rates(limits)
        self._hosts, self._numeric = {host.lower() for host in hosts}, numeric

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(scope, send)
        try:
            self._check(scope)
            body = await self._body(scope, receive)
        except Refused as refusal:
            await answer.refuse(refusal, receive)
            return
        try:
            await self._app(scope, _replayed(body, receive), answer.send)
        except asyncio.CancelledError:  # the server waits no longer
            await answer.refuse(Refused(503, "The server is ending."))
        except Exception:
            log.exception("a request failed")
            await answer.refuse(Refused(500, "Something went wrong here; see the server's log."))

    def _check(self, scope: Scope) -> None:
        client = (scope.get("client") or ("",))[0]
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            raise Refused(
                421, "This server answers to its own address only, such as http://127.0.0.1:PORT/."
            )
        for origin in _header(scope, b"origin"):
            if origin.partition("://")[2].lower() != hosts[0].lower():
                raise Refused(403, "Pages of other servers may not ask this one.")
        if any(site not in ("same-origin", "none") for site in _header(scope, b"sec-fetch-site")):
            navigates = _header(scope, b"sec-fetch-mode") == ["navigate"]
            if scope["method"] == "POST" or not navigates:
                raise Refused(403, "Pages of other servers may not ask this one.")
        if scope["method"] not in METHODS:
            raise Refused(405, "Only GET, HEAD and POST are answered.")
        self._rates.check(client)

    def _is_ours(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if set(host) & set("/?#@\\ ") or not name:
            return False
        if name in self._hosts:
            return True
        if not self._numeric:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        too_large = Refused(
            413, f"The request is too large; at most {self._limits.body:,} bytes are taken."
        )
        for stated in _header(scope, b"content-length"):
            if not stated.isdigit() or len(stated) > 12 or int(stated) > self._limits.body:
                raise too_large
        kinds = [kind.partition(";")[0].strip().lower() for kind in _header(scope, b"content-type")]
        # A form of another page can send text, but not this type.
        if scope["method"] == "POST" and kinds != ["application/json"]:
            raise Refused(415, "Requests are JSON; give `Content-Type: application/json`.")
        try:
            async with asyncio.timeout(self._limits.patience):
                return await _read(receive, self._limits.body, too_large)
        except TimeoutError as error:
            raise Refused(408, "The request did not arrive in time.") from error


async def _read(receive: Receive, most: int, too_large: Refused) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request was not sent completely.")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


async def _discard(receive: Receive) -> None:
    """Read and drop what is still coming, for a moment: closing at once would lose the answer."""
    size = 0
    try:
        async with asyncio.timeout(DISCARDING):
            while size < DISCARDED:
                message = await receive()
                size += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, and then what comes."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


class _Answer:
    """Adds our headers to an answer, and writes a line to the log: never what was sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send, self._begun = scope, send, time.monotonic()
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            ours = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
            others = [
                pair for pair in message.get("headers", []) if pair[0].decode() not in HEADERS
            ]
            message = {**message, "headers": [*others, *ours]}
            route = self._scope.get("route")
            log.info(
                "%s %s: %d in %.2f s",
                self._scope["method"],
                getattr(route, "path", "(no page)"),
                message["status"],
                time.monotonic() - self._begun,
            )
        await self._send(message)

    async def refuse(self, refusal: Refused, unread: Receive | None = None) -> None:
        if self.started:
            return
        body = json.dumps({"error": refusal.sentence}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        if refusal.wait is not None:
            headers.append((b"retry-after", str(refusal.wait).encode()))
        start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": True})
        if unread is not None:
            await _discard(unread)
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})
