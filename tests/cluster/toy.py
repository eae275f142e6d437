"""Work that counts, keeps its count in a file, and goes on from there."""

import logging
import os
import signal
import time
from pathlib import Path

from pipeline_lib.errors import InputError
from pipeline_lib.files import write_text
from pipeline_lib.stopping import Stopped, TryAgain, stop_signals

logger = logging.getLogger(__name__)


def count(
    directory: Path,
    steps: int,
    seconds: float = 0.05,
    threads: int = 1,
    trouble: str = "",
    rank_in_trouble: int = 1,
) -> None:
    """Count to ``steps``; each process has its own file, and the first writes the result.

    ``trouble`` befalls one process, once, at the third step: it is killed, say.
    """
    rank = int(os.environ.get("RANK", 0))
    folder = directory / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"count-{rank}"
    with stop_signals() as stopped:
        step = int(place.read_text()) if place.exists() else 0
        with (folder / f"starts-{rank}").open("a") as starts:
            starts.write(f"{step}\n")
        logger.info("process %d begins at %d with %d threads", rank, step, threads)
        while step < steps or not _all_at(steps, folder):  # they end together, as training does
            time.sleep(seconds)
            step = min(step + 1, steps)
            write_text(place, str(step))
            if stopped():
                logger.info("process %d has saved", rank)
                raise Stopped(stopped())
            if step == 3 and rank == rank_in_trouble:
                _get_into(trouble)
    if rank == 0:
        logger.info("process 0 is done")
        write_text(directory / "result.txt", f"{step}\n")


def sleep(directory: Path, seconds: float) -> None:
    """Work that knows nothing of signals and cannot be continued."""
    with (directory / "starts").open("a") as starts:
        starts.write("0\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.1)
    write_text(directory / "result.txt", "slept\n")


def _all_at(steps: int, folder: Path) -> bool:
    counts = [folder / f"count-{rank}" for rank in range(int(os.environ.get("WORLD_SIZE", 1)))]
    return all(file.exists() and int(file.read_text()) >= steps for file in counts)


def _get_into(trouble: str) -> None:
    if trouble == "input":
        raise InputError("the shards are empty", path="x.parquet", remedy="make them again")
    if trouble == "bug":
        raise ZeroDivisionError("a mistake of ours")
    if trouble == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "again":
        raise TryAgain
