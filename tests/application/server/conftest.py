"""A server in a process of its own, with tiny models."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.application.conftest import random_dna
from tests.application.server.client import Server


def keep_busy(server: Server) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):  # it may end before it answers
        server.ask("/api/tracks", {"sequence": random_dna(9000, 6)}, patient=False)


@pytest.fixture(scope="session")
def server(
    models: dict[str, Path], tuned: Path, genome: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start `dnalm serve`; it must end cleanly, even at work."""
    folder = tmp_path_factory.mktemp("serve")
    said, log = folder / "said.txt", folder / "log.txt"
    command = [sys.executable, "-m", "pipeline_lib.cli", "serve", "--port", "0"]
    command += ["--genome", str(genome), "--threads", "1", "--window", "tuned=63:30"]
    command += ["--model", f"tuned={tuned}", "--model", f"<i>bases</i>={models['bases']}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with said.open("w") as output, log.open("w") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
    try:
        end = time.monotonic() + 120
        while not (found := re.search(r"http://127.0.0.1:(\d+)/", said.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, "the server does not begin"
            time.sleep(0.1)
        running = Server(process.pid, int(found[1]), log)
        yield running
        busy = threading.Thread(target=keep_busy, args=[running])
        busy.start()
        time.sleep(0.5)
        process.terminate()
        assert process.wait(20) == 0
        busy.join()
    finally:
        process.kill()
    assert "Traceback" not in log.read_text()
