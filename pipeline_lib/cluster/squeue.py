"""What SLURM says of a job: its state in the queue, or in the accounts of those that have left."""

import getpass
import logging
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)
UNFINISHED = frozenset({
    "CONFIGURING", "COMPLETING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING",
    "RESV_DEL_HOLD", "RUNNING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "SUSPENDED",
})  # fmt: skip
TAKEN_AWAY = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})
"""States of a job that ended through no fault of its own, and that SLURM has not requeued."""
GONE = "GONE"
"""Our word for a job that neither the queue nor the accounts know any more."""
HELD = re.compile("held|HOLD|SPECIAL_EXIT|MaxRequeue", re.IGNORECASE)
PHRASES = {
    "PENDING": "waits in the queue",
    "CONFIGURING": "waits for its machines to start",
    "RUNNING": "runs",
    "COMPLETING": "is being ended",
    "SUSPENDED": "is suspended",
}
FORMAT = "%A|%T|%r|%k"
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Entry:
    """A job as the queue lists it.

    Attributes
    ----------
    id
        Its number.
    state
        Long name of its state, such as ``RUNNING``.
    reason
        Why it waits, or ended.
    comment
        What was written on it when it was submitted.
    """

    id: str
    state: str
    reason: str
    comment: str

    @property
    def unfinished(self) -> bool:
        """Whether it waits, runs or is being cleared away."""
        return self.state in UNFINISHED

    @property
    def held(self) -> bool:
        """Whether it stays in the queue until somebody releases it."""
        return bool(HELD.search(f"{self.state} {self.reason}")) and self.state != "RUNNING"

    @property
    def what(self) -> str:
        """What has become of it, in words."""
        phrase = PHRASES.get(self.state, self.state.lower())
        if self.held:
            return f"{phrase}, held: {self.reason}. To let it go on: `scontrol release {self.id}`"
        return phrase


class NoAnswerError(Exception):
    """SLURM does not answer: its controller is being restarted, or the network is down."""


def entries(job_name: str) -> list[Entry]:
    """Return our jobs of a name, oldest first, with those that have ended a short time ago.

    Raises
    ------
    NoAnswerError
        If the controller does not answer.
    """
    command = ["squeue", "--noheader", "--states=all", f"--user={getpass.getuser()}",
               f"--name={job_name}", f"--format={FORMAT}"]  # fmt: skip
    return parse_entries(_answer(command))


def parse_entries(text: str) -> list[Entry]:
    """Read the lines of ``squeue`` in our format."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|", 3)]
        if len(fields) == 4 and fields[0].isdigit():
            found.append(Entry(*fields))
    return sorted(found, key=lambda entry: int(entry.id))


def accounted_state(job: str) -> str:
    """Return the state of a job that has left the queue; without accounting, ``GONE``."""
    try:
        text = _answer(["sacct", "-X", "-n", "-P", "-o", "State", "-j", job])
    except NoAnswerError:
        return GONE
    states = text.split()
    return states[0] if states else GONE


def cancel(job: str) -> None:
    """Cancel a job; one that has ended meanwhile is no error."""
    subprocess.run(["scancel", job], capture_output=True, check=False)


def cancel_all(job_name: str) -> bool:
    """Cancel our jobs of a name; return whether SLURM could be told."""
    command = ["scancel", f"--user={getpass.getuser()}", f"--name={job_name}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Patient:
    """Asks SLURM as long as it takes, and says once that it does not answer.

    Parameters
    ----------
    wait
        Called between two attempts, with no arguments.
    """

    def __init__(self, wait: Callable[[], None]) -> None:
        self.wait, self.silent_since = wait, 0.0

    def entries(self, job_name: str) -> list[Entry]:
        """Return our jobs of a name."""
        while True:
            try:
                found = entries(job_name)
            except NoAnswerError as error:
                if not self.silent_since:
                    self.silent_since = time.monotonic()
                    logger.warning("SLURM does not answer (%s); waiting until it does", error)
                self.wait()
                continue
            if self.silent_since:
                minutes = (time.monotonic() - self.silent_since) / 60
                logger.info("SLURM answers again, after %.1f minutes", minutes)
                self.silent_since = 0.0
            return found


def _answer(command: list[str]) -> str:
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise NoAnswerError(said[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswerError(str(error)) from error
    return answer.stdout
