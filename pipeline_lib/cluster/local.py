"""Several processes on this machine, which share the work."""

import logging
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline_lib.cluster.logs import Follower, first_failure, last_lines
from pipeline_lib.cluster.task import failure_notes
from pipeline_lib.cluster.work import THREADS, Work
from pipeline_lib.errors import TrainingError
from pipeline_lib.files import atomic_path
from pipeline_lib.stopping import STOP_SIGNALS, TRY_AGAIN, Stopped

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.1
SHORT_GRACE = 10.0
"""Seconds in which the others may end by themselves when one process has failed."""


def run_here(work: Work, processes: int, folder: Path) -> None:
    """Start processes, wait for them, and start them again if they ask for it.

    Parameters
    ----------
    folder
        Where their logs go: ``process-0.log`` and so on.

    Raises
    ------
    Stopped
        After a signal, once all have saved their work and ended.
    TrainingError
        If one fails; the others are then ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logs = [folder / f"process-{rank}.log" for rank in range(processes)]
    failures = failure_notes(folder, "local", processes)
    threads = max(1, int(work.arguments.get(THREADS, processes)) // processes)
    file = folder / "work.pickle"
    with atomic_path(file) as temporary:
        temporary.write_bytes(pickle.dumps((work.with_threads(threads), failures)))
    codes = [TRY_AGAIN]
    while TRY_AGAIN in codes:
        for note in failures:
            note.unlink(missing_ok=True)
        with _forwarded_signals() as (members, received):
            _start(members, file, logs, threads)
            for number in received:  # while they were being started
                for member in members:
                    member.send_signal(number)
            codes = _wait(members, Follower(logs[0]))
        if received and any(codes):
            codes = [0 if code == -received[-1] else code for code in codes]
            _check(codes, failures, logs)
            raise Stopped(received[-1])
    _check(codes, failures, logs)
    stopped = [code for code in codes if code]
    if stopped:
        raise Stopped(stopped[0] - 128)


def _check(codes: list[int], failures: list[Path], logs: list[Path]) -> None:
    """Raise if a process has ended for another reason than its end, or a signal to stop."""
    if any(code != 0 and code - 128 not in STOP_SIGNALS for code in codes):
        raise TrainingError(_what_failed(codes, failures, logs))


def _start(
    members: list[subprocess.Popen[bytes]], file: Path, logs: list[Path], threads: int
) -> None:
    port = _free_port()
    for rank, log in enumerate(logs):
        variables = {
            "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(logs),
            "LOCAL_WORLD_SIZE": len(logs), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "OMP_NUM_THREADS": threads, "PYTHONUNBUFFERED": 1,
        }  # fmt: skip
        environment = {**os.environ, **{key: str(value) for key, value in variables.items()}}
        command = [sys.executable, "-m", "pipeline_lib.cluster.task", str(file)]
        with log.open("wb") as output:
            members.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )


def _wait(members: list[subprocess.Popen[bytes]], follower: Follower) -> list[int]:
    """Wait until all have ended, and return their exit codes, 0 for those that we had to end.

    When one has failed, the others have a short time to end too. One that has ended after a signal
    has not failed: the others may still be saving.
    """
    deadline, ended_by_us = math.inf, set[int]()
    while None in (codes := [member.poll() for member in members]):
        if any(code and code - 128 not in STOP_SIGNALS for code in codes):
            deadline = min(deadline, time.monotonic() + SHORT_GRACE)
        if time.monotonic() > deadline:
            ended_by_us |= {rank for rank, code in enumerate(codes) if code is None}
            for rank in ended_by_us:
                members[rank].kill()
        follower.pass_on()
        time.sleep(POLL_SECONDS)
    follower.finish()
    return [0 if rank in ended_by_us else code or 0 for rank, code in enumerate(codes)]


@contextmanager
def _forwarded_signals() -> Iterator[tuple[list[subprocess.Popen[bytes]], list[int]]]:
    """Pass signals to stop on to processes; yield the list of those, and what was received."""
    members: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for member in members:
            member.send_signal(number)

    before = {number: signal.signal(number, forward) for number in STOP_SIGNALS}
    try:
        yield members, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _what_failed(codes: list[int], failures: list[Path], logs: list[Path]) -> str:
    failure = first_failure(failures)
    if failure is not None and not failure.ours:
        return f"{failure.sentence} (process {failure.rank} of {len(codes)}; {logs[failure.rank]})"
    killed = [rank for rank, code in enumerate(codes) if code < 0]
    rank = failure.rank if failure else (killed or [0])[0]
    if failure is None and killed:
        name = signal.Signals(-codes[rank]).name
        why = f"was killed ({name}), for lack of memory perhaps"
    else:
        why = "failed"
    return (
        f"process {rank} of {len(codes)} {why}. The last lines of {logs[rank]}:\n"
        f"{last_lines(logs[rank])}"
    )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
