"""Clients of a server: polite ones, and others."""

import http.client
import json
import socket
import time
from dataclasses import dataclass
from typing import Any

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A server that runs, and what it was started with."""

    pid: int
    port: int
    log: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        question: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
        patient: bool = True,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask once, or until there were not too many questions."""
        if question is not None:
            body = json.dumps(question).encode()
        method = method or ("GET" if body is None else "POST")
        for _ in range(30):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            connection.request(method, path, body, {**(JSON if body else {}), **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if not patient or answer.status not in (429, 503):
                break
            time.sleep(int(answer.headers.get("Retry-After", 1)) / 2)
        return answer.status, dict(answer.headers.items()), content

    def answer(self, path: str, question: Any) -> Any:
        """Return what is answered to a question that makes sense."""
        status, _, content = self.ask(path, question)
        assert status == 200, content
        return json.loads(content)

    def error(self, path: str, question: Any = None, **more: Any) -> tuple[int, str]:
        """Return status and sentence of what is refused."""
        status, headers, content = self.ask(path, question, **more)
        assert headers["content-type"] == "application/json", content
        sentence = json.loads(content)["error"]
        assert "Traceback" not in sentence
        assert sentence.endswith(".")
        return status, sentence

    def raw(self, *parts: bytes, pause: float = 0.0, wait: float = 30.0) -> bytes:
        """Send bytes as they are; return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            found = b""
            try:
                for part in parts:
                    connection.sendall(part)
                    time.sleep(pause)
                while more := connection.recv(65_536):
                    found += more
            except (ConnectionResetError, BrokenPipeError):
                pass
            return found

    def alive(self) -> bool:
        return self.ask("/api/models")[0] == 200
