"""Notices that a step takes too long, says which process is behind, and ends the run.

A process that hangs makes all others wait in their next exchange of gradients, without a word. So
each tells the others, through the store of the process group, which step it is at, and watches
its own clock.
"""

import faulthandler
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from pipeline_lib.pretraining.ranks import Ranks

logger = logging.getLogger(__name__)
EXIT_CODE = 1
STARTING, DATA, TRAINING, VALIDATING, SAVING = range(5)
DOING = ("starting", "waiting for data", "training", "validating", "writing a checkpoint")
"""What a process does, in the order of a step."""


class Watchdog:
    """Ends this process when it has not shown a sign of life for some time.

    Parameters
    ----------
    ranks
        The processes.
    minutes
        Longest time without a sign of life.
    """

    def __init__(self, ranks: Ranks, minutes: float) -> None:
        self._ranks, self._limit = ranks, 60 * minutes
        self._interval = min(10.0, self._limit / 4)
        self._step, self._doing, self._seen = 0, STARTING, time.monotonic()
        self._over = threading.Event()
        self._store: TCPStore | None = None

    def beat(self, doing: int, step: int | None = None) -> None:
        """Show a sign of life: what is done, and in which step."""
        self._step = self._step if step is None else step
        self._doing, self._seen = doing, time.monotonic()

    @contextmanager
    def watching(self) -> Iterator["Watchdog"]:
        """Watch until the block ends."""
        if self._ranks.count > 1:
            host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            patience = timedelta(seconds=10)
            self._store = TCPStore(host, port, is_master=False, timeout=patience)
        self._seen = time.monotonic()
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()
        try:
            yield self
        finally:
            self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            idle = time.monotonic() - self._seen
            try:
                if self._store is not None:
                    said = [self._step, self._doing, round(idle), socket.gethostname()]
                    self._store.set(_key(self._ranks.number), json.dumps(said))
            except RuntimeError:  # process 0, which keeps the store, is gone or at its end
                pass
            # Who hangs says so first; those who wait for it give it time to.
            if idle > self._limit + (0 if self._is_behind() else 2 * self._interval):
                self._end(idle)

    def _others(self) -> list[tuple[tuple[int, int], int, int, str]]:
        """Return place in the run, number, idle seconds and machine of all that say something."""
        found = []
        for number in range(self._ranks.count):
            try:
                if self._store is not None and self._store.check([_key(number)]):
                    step, doing, idle, host = json.loads(self._store.get(_key(number)))
                    found.append(((step, doing), number, idle, host))
            except RuntimeError:
                continue
        return found

    def _is_behind(self) -> bool:
        places = [place for place, *_ in self._others()]
        return not places or (self._step, self._doing) == min(places)

    def _end(self, idle: float) -> None:
        others = self._others()
        told = f"step {self._step}, {DOING[self._doing]}"
        if others:
            step, doing = least = min(place for place, *_ in others)
            names = ", ".join(
                f"process {number} on {host} (silent for {quiet} s)"
                for place, number, quiet, host in others
                if place == least
            )
            told = f"behind, at step {step}, {DOING[doing]}: {names}"
        logger.error(
            "process %d: no step was finished for %.1f minutes (%s). The last checkpoint is kept. "
            "To fix: look at that machine and at the file system; if steps do take so long, raise "
            "`stall_minutes`",
            self._ranks.number, idle / 60, told,
        )  # fmt: skip
        faulthandler.dump_traceback(sys.stderr)
        logging.shutdown()
        os._exit(EXIT_CODE)


def _key(number: int) -> str:
    return f"dnalm/beat/{number}"
