"""Real processes for tests: several at once, forked from one that has imported torch already."""

import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
# All that a training run imports, early or late: it is then there in every process at once.
CONTEXT.set_forkserver_preload(
    ["pipeline_lib.pretraining.run", "torch._dynamo", "tests.pretraining.toys"]
)


def start(count: int, function: Callable[..., None], *arguments: Any) -> list[BaseProcess]:
    """Start a function in so many processes that know of each other, as a launcher does."""
    environment = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": free_port()}
    processes = [
        CONTEXT.Process(target=_call, args=(number, environment, function, arguments))
        for number in range(count)
    ]
    for process in processes:
        process.start()
    return processes


def run(count: int, function: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Run a function in so many processes; return their exit codes."""
    processes = start(count, function, *arguments)
    for process in processes:
        process.join(400)
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in processes]


def free_port() -> str:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _call(
    number: int,
    environment: dict[str, str],
    function: Callable[..., None],
    arguments: Sequence[Any],
) -> None:
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), **environment}
    try:
        function(*arguments)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
