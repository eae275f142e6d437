"""Signals that ask a long run to save its work and end.

SLURM sends USR1 or USR2 ahead of a time limit, TERM to what it cancels or preempts; a person at a
terminal sends INT.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
TRY_AGAIN = 75
"""Exit code of a run that asks to be started again: EX_TEMPFAIL of sysexits.h."""

_received: list[int] | None = None


class Stopped(SystemExit):
    """A run ended because of a signal, after its work was saved; the exit code is the shell's."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = number


class TryAgain(SystemExit):
    """A run ended and asks to be started again: what made it end has been seen to."""

    def __init__(self) -> None:
        super().__init__(TRY_AGAIN)


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Yield a function that tells which signal to stop has come, 0 if none.

    Within another such block the record is shared: a signal that came before the inner block
    began counts there too.
    """
    global _received
    if _received is not None:
        outer = _received
        yield lambda: outer[0]
        return
    received = _received = [0]

    def note(number: int, frame: FrameType | None) -> None:
        received[0] = number

    try:
        before = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    except ValueError:  # not the main thread: signals are somebody else's business
        before = {}
    try:
        yield lambda: received[0]
    finally:
        _received = None
        for number, handler in before.items():
            signal.signal(number, handler)
