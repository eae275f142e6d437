"""What processes leave behind for the one that waits for them: their logs, and why they failed."""

import contextlib
import json
import logging
import re
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_lib.errors import DnalmError, InputError
from pipeline_lib.files import write_json

logger = logging.getLogger(__name__)
FORMAT = "%(asctime)s %(levelname)s %(message)s"
LINE = re.compile(r"\d\d:\d\d:\d\d (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)")
NOISE = "submitit INFO"
LAST_LINES = 20
LARGEST_PIECE = 64_000
"""Bytes of a log that are read at a time: of more, the end alone is of interest."""


@dataclass(frozen=True)
class Failure:
    """Why a process ended.

    Attributes
    ----------
    rank
        Number of the process.
    sentence
        What is wrong.
    ours
        An error that the user cannot mend: its traceback is in the log.
    when
        Seconds since 1970: the first of several failures is the cause of the others.
    """

    rank: int
    sentence: str
    ours: bool
    when: float


def note_failure(path: Path, rank: int, error: BaseException) -> None:
    """Write down why this process is about to end; also say it in the log."""
    ours = not isinstance(error, DnalmError)
    if ours:
        traceback.print_exception(error)
        sentence = traceback.format_exception_only(error)[-1].strip()
    else:
        sentence = str(error)
        logger.error("%s", sentence)
    with contextlib.suppress(OSError, InputError):  # the disk may be full: the log says it too
        write_json(path, Failure(rank, sentence, ours, time.time()).__dict__)


def first_failure(paths: list[Path]) -> Failure | None:
    """Return the failure that came first, None if there is no note of any."""
    failures = [Failure(**json.loads(path.read_text())) for path in paths if path.exists()]
    return min(failures, key=lambda failure: failure.when, default=None)


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Return the end of a log; of a progress bar just its last state."""
    if not log.exists():
        return "(there is no log)"
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - LARGEST_PIECE))
        text = handle.read().decode(errors="replace")
    lines = [line.rpartition("\r")[2] for line in text.rstrip().split("\n")]
    return "\n".join([line for line in lines if not line.startswith(NOISE)][-count:])


class Follower:
    """Passes on the new lines of a log that somebody else writes.

    Parameters
    ----------
    path
        The log; it need not exist yet.
    from_end
        Pass on nothing of what is there already.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self.position = self._size() if from_end else 0
        self.rest = ""

    def pass_on(self) -> None:
        """Pass on the lines that are whole."""
        text = self.rest + self._new()
        *lines, self.rest = text.split("\n")
        for line in lines:
            level, message = _parsed(line.rstrip("\r").rpartition("\r")[2])
            if message:
                logger.log(level, "%s", message)

    def finish(self) -> None:
        """Pass on all that is left, a last line without an end included."""
        while self.position < self._size():
            self.pass_on()
        self.rest += "\n" if self.rest else ""
        self.pass_on()

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _new(self) -> str:
        size = self._size()
        if size < self.position:  # written anew
            self.position = 0
        if size == self.position:
            return ""
        with self.path.open("rb") as handle:
            handle.seek(max(self.position, size - LARGEST_PIECE))
            piece = handle.read(size - handle.tell())
        self.position = size
        return piece.decode(errors="replace")


def _parsed(line: str) -> tuple[int, str]:
    """Return level and message of a line of a log of ours; other lines are taken as they are."""
    match = LINE.fullmatch(line)
    if match is None:
        return logging.DEBUG if line.startswith(NOISE) else logging.INFO, line
    level: Any = logging.getLevelName(match[1])
    return level, match[2]
