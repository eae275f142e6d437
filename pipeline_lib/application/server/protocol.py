"""HTTP of uvicorn, with patience that ends: clients that are silent or slow are let go."""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline_lib.application.server.limits import Limits

LINGER = 5.0
"""Seconds in which a client has to read the end of an answer."""


class Patient(H11Protocol):
    """Closes connections on which nothing happens in time.

    uvicorn alone waits for ever for the rest of a request's header, and for a client that
    does not read its answer.
    """

    limits = Limits()
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._say(503, "There are too many connections; ask again in a moment.")
            return
        self._wait(self.limits.patience)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self.transport.is_closing():
            return
        if self._timer is None:  # the next request of a connection that is kept
            self._wait(self.limits.patience)
        super().data_received(data)
        if self._computing():
            # Time for the body, for the answer, and for sending it.
            self._wait(self.limits.patience + self.limits.seconds + LINGER)

    def on_response_complete(self) -> None:
        """Wait for the client to read the answer, or for its next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait(LINGER)
        elif not self._computing():
            self._forget()  # uvicorn closes it if no other request comes

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses."""
        super().timeout_keep_alive_handler()
        self._wait(LINGER)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._say(400, "This is no valid HTTP request.")

    def _computing(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        self._forget()
        self._timer = self.loop.call_later(seconds, self._end)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        if self._computing() or self.transport.is_closing():
            self.transport.abort()
        else:
            self._say(408, "The request did not arrive in time.")

    def _say(self, status: int, sentence: str) -> None:
        body = json.dumps({"error": sentence}).encode()
        head = (
            f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        if not self._computing():
            self.transport.write(head.encode() + body)
        self.transport.close()
        self._wait(LINGER)


def with_limits(limits: Limits) -> type[H11Protocol]:
    """Return the protocol of a server with some limits."""
    return type("Limited", (Patient,), {"limits": limits})


def options(limits: Limits) -> dict[str, Any]:
    """Return what uvicorn is told beside its address."""
    return {
        "http": with_limits(limits),
        "ws": "none",
        "loop": "asyncio",
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": False,
        "h11_max_incomplete_event_size": 16_384,
        "timeout_keep_alive": 5,
        "timeout_graceful_shutdown": 3,
    }
