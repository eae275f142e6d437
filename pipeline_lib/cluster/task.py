"""What runs in the processes that do the work.

A process of this machine is started as ``python -m pipeline_lib.cluster.task FILE``, one of a
SLURM job by submitit, with a :class:`Task` to call.
"""

import logging
import os
import pickle
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pipeline_lib.cluster.logs import FORMAT, note_failure
from pipeline_lib.cluster.work import Work
from pipeline_lib.errors import TrainingError
from pipeline_lib.job import ORPHAN_EXIT_CODE
from pipeline_lib.stopping import Stopped, TryAgain, stop_signals

logger = logging.getLogger(__name__)
FAILED = 1
AT_LIMIT = (signal.SIGUSR1, signal.SIGUSR2)
"""What SLURM sends ahead of a time limit, and some clusters ahead of a preemption."""
LONGEST_WAIT = 600.0
"""Seconds that a stopped process waits to be killed, as SLURM does with what it takes away."""


def carry_out(work: Work, failure: Path, rank: int) -> None:
    """Call the function of some work; an error ends the process and is noted for the launcher.

    Raises
    ------
    Stopped, TryAgain
        As the function does.
    SystemExit
        If it failed.
    """
    logging.basicConfig(level=logging.INFO, format=FORMAT, datefmt="%H:%M:%S")
    failure.unlink(missing_ok=True)
    try:
        work.call()
    except Exception as error:
        note_failure(failure, rank, error)
        sys.exit(FAILED)


def main(file: str) -> None:
    """Carry out the work of a file, as one of several processes of this machine."""
    work, failures = pickle.loads(Path(file).read_bytes())
    rank = int(os.environ["RANK"])
    end_with_parent()
    with stop_signals():  # from here on no signal is lost, however long the imports take
        carry_out(work, failures[rank], rank)


def end_with_parent(interval: float = 0.5) -> None:
    """End this process when the one that started it is gone, killed with -9 for instance."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(interval)
        os._exit(ORPHAN_EXIT_CODE)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


@dataclass(frozen=True)
class Task:
    """One process of a SLURM job.

    Attributes
    ----------
    work
        What to do.
    folder
        Where the logs of the job are, and its notes for the process that waits for it.
    hours
        Time limit of the job.
    grace_seconds
        How long before that limit it is told.
    """

    work: Work
    folder: Path
    hours: float
    grace_seconds: int

    def __call__(self) -> None:
        """Do the work; do not come back if it was stopped, or is to be started again."""
        with ExitStack() as stack:
            if self.work.resumable:
                # First of all: submitit's own handlers pass over TERM, forget what comes to any
                # process but the first, and count time limits of a few minutes as final.
                stack.enter_context(stop_signals())
            logging.getLogger("submitit").setLevel(logging.WARNING)
            signal.signal(signal.SIGCONT, signal.SIG_DFL)  # submitit speaks of it, for no use
            job, rank = os.environ["SLURM_JOB_ID"], int(os.environ.get("SLURM_PROCID", "0"))
            failure = failure_notes(self.folder, job, rank + 1)[rank]
            if not self.work.resumable:
                self._until_limit()
            join_others()
            try:
                carry_out(self.work, failure, rank)
            except (Stopped, TryAgain) as end:
                self._leave(end, again_note(self.folder, job), rank)

    def _leave(self, end: Stopped | TryAgain, again: Path, rank: int) -> None:
        """End after a stop, so that the job is started again unless it is taken away.

        The script of the job, which has SLURM's commands whatever container Python runs in, asks
        for the job to be started again where it finds a note, once the first process has ended.
        The other processes are then killed.
        """
        taken_away = isinstance(end, Stopped) and end.signal not in AT_LIMIT
        if not taken_away and (rank == 0 or isinstance(end, TryAgain)):
            again.touch()
            sys.exit(end.code)
        logger.info("the work is saved; waiting for SLURM to end this process")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(LONGEST_WAIT)
        sys.exit(end.code)

    def _until_limit(self) -> None:
        """Let work that cannot be continued run until its time limit, and say so then."""
        begun = time.monotonic()

        def told(number: int, frame: FrameType | None) -> None:
            # SLURM may tell up to a minute early. Much earlier it is a preemption: the job is
            # then killed, and started again from the beginning.
            if time.monotonic() - begun + self.grace_seconds + 90 >= 3600 * self.hours:
                raise TrainingError(
                    f"the time limit of {self.hours:g} hours is too short. To fix: raise "
                    "`slurm.hours`"
                )

        for number in AT_LIMIT:
            signal.signal(number, told)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def join_others(resolve: Callable[[str, None], object] = socket.getaddrinfo) -> None:
    """Set the variables by which the processes of a SLURM job find each other.

    They are those of ``torchrun``. Which GPUs a process may use is left as SLURM has set it. The
    first machine is given by its address where its name cannot be looked up.
    """
    from submitit import JobEnvironment
    from submitit.helpers import TorchDistributedEnvironment

    start = os.environ.get("SLURM_RESTART_COUNT", "0")
    os.environ["MASTER_PORT"] = str(port_of(os.environ["SLURM_JOB_ID"], start))
    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    if JobEnvironment().num_tasks == 1:
        return
    try:
        resolve(os.environ["MASTER_ADDR"], None)
    except OSError:
        # The job's script, which starts the processes, runs on the machine of the first of them.
        address = os.environ.get("SLURM_LAUNCH_NODE_IPADDR")
        if address:
            os.environ["MASTER_ADDR"] = address


def port_of(job: str, start: str) -> int:
    """Return the port at which the processes of a job meet, another one at each start.

    It lies below the ports that Linux gives to connections, of which one or other is always taken.
    """
    return random.Random(f"{job} {start}").randrange(20_000, 32_768)


def again_note(folder: Path, job: str) -> Path:
    """Return the note by which a job asks to be started again."""
    return folder / f"{job}_again"


def failure_notes(folder: Path, job: str, count: int) -> list[Path]:
    """Return the notes in which the processes of a job say why they failed."""
    return [folder / f"{job}_{rank}_failure.json" for rank in range(count)]


if __name__ == "__main__":
    main(sys.argv[1])
