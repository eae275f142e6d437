"""What a client may ask for, and how often."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_CLIENTS = 1024
"""Clients that are told apart; those that asked longest ago are forgotten."""


@dataclass(frozen=True)
class Limits:
    """Limits of the server.

    Attributes
    ----------
    bases
        Of a sequence.
    windows
        Of a sequence that a model of sequences reads.
    values
        Numbers in an answer.
    body
        Bytes of a request.
    seconds
        From a request to its answer, waiting included.
    waiting
        Requests that wait for the one that is being computed.
    burst, per_second
        Requests of a client: at once, and on average.
    all_burst, all_per_second
        Requests of all clients.
    connections
        That are open at a time.
    patience
        Seconds for a client to send its request.
    """

    bases: int = 10_000
    windows: int = 1024
    values: int = 400_000
    body: int = 64_000
    seconds: float = 60.0
    waiting: int = 8
    burst: int = 40
    per_second: float = 8.0
    all_burst: int = 80
    all_per_second: float = 16.0
    connections: int = 128
    patience: float = 10.0

    @classmethod
    def of(cls, bases: int, windows: int, seconds: float) -> "Limits":
        """Return the limits for sequences of ``bases``; bodies have room for them."""
        return cls(bases=bases, windows=windows, seconds=seconds, body=2 * bases + 44_000)


class Refused(Exception):  # noqa: N818  (the server does what it should)
    """A request that is not answered.

    Parameters
    ----------
    status
        Of HTTP.
    sentence
        Why, for the person who asked.
    wait
        Seconds after which it may be asked again, if that helps.
    """

    def __init__(self, status: int, sentence: str, wait: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.wait = status, sentence, wait


class Bucket:
    """Tokens that come back at a steady rate; each request takes one.

    Parameters
    ----------
    most
        Tokens of a full bucket.
    per_second
        Tokens that come back.
    clock
        Seconds.
    """

    def __init__(
        self, most: int, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._per_second, self._clock = most, per_second, clock
        self._tokens, self._seen = float(most), clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._per_second)
        self._seen = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Rates:
    """How often each client, and all together, may ask.

    Parameters
    ----------
    limits
        Of the server.
    clock
        Seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._all = Bucket(limits.all_burst, limits.all_per_second, clock)
        self._clients: OrderedDict[str, Bucket] = OrderedDict()

    def check(self, client: str) -> None:
        """Count a request.

        Raises
        ------
        Refused
            If there were too many.
        """
        own = self._clients.pop(client, None) or Bucket(
            self._limits.burst, self._limits.per_second, self._clock
        )
        self._clients[client] = own
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        if not own.take():
            raise Refused(429, "There were too many requests; wait a few seconds.", 2)
        if not self._all.take():
            raise Refused(503, "The server has too much to do; wait a few seconds.", 2)
