"""One computation at a time, in a thread of its own; those that wait are few."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pipeline_lib.application.server.limits import Refused

T = TypeVar("T")
POLL = 0.25
"""Seconds between looks at whether the client is still there."""


class Clock:
    """Ends work that takes too long, or that nobody waits for any more.

    Parameters
    ----------
    seconds
        From now on.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the next check end the work."""
        self._stopped.set()

    def check(self) -> None:
        """Raise if the work is to end.

        Raises
        ------
        Refused
            If the time is over, or :meth:`stop` was called.
        """
        if self._stopped.is_set():
            raise Refused(503, "The work was stopped.")
        if time.monotonic() > self._end:
            raise Refused(
                503,
                f"This took longer than {self._seconds:g} seconds; give a shorter sequence or "
                "fewer models, or ask again when the server has less to do.",
            )


class Worker:
    """The thread that computes.

    Parameters
    ----------
    waiting
        Requests that may wait beside the one that is being computed.
    seconds
        For each, from the time it is asked.
    """

    def __init__(self, waiting: int, seconds: float) -> None:
        self._most, self._seconds = waiting + 1, seconds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._clocks: set[Clock] = set()
        self._closed = False

    async def run(
        self, work: Callable[[Callable[[], None]], T], gone: Callable[[], Awaitable[bool]]
    ) -> T:
        """Return the result of some work.

        Parameters
        ----------
        work
            Called with a function that it has to call often.
        gone
            Whether the client has left: the work is then ended.

        Raises
        ------
        Refused
            If too many wait, or it took too long.
        """
        if self._closed:
            raise Refused(503, "The server is ending.")
        if len(self._clocks) >= self._most:
            raise Refused(503, "The server is busy with other requests; ask again in a moment.", 2)
        clock = Clock(self._seconds)
        self._clocks.add(clock)

        def begin() -> T:
            clock.check()
            return work(clock.check)

        future: Future[T] = self._pool.submit(begin)
        # The place is free when the thread is done, not when the client has left.
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._clocks.discard, clock))
        result = asyncio.wrap_future(future)
        try:
            while not result.done():
                await asyncio.wait([result], timeout=POLL)
                if not result.done() and await gone():
                    clock.stop()
            return result.result()
        except asyncio.CancelledError:
            clock.stop()
            raise

    def close(self) -> None:
        """End all work, and take no more; safe to be called by a signal."""
        self._closed = True
        for clock in tuple(self._clocks):
            clock.stop()
