"""The server itself: its address, its signals."""

import contextlib
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from pipeline_lib.application.fasta import open_genome
from pipeline_lib.application.server.answers import Answers
from pipeline_lib.application.server.app import make_app
from pipeline_lib.application.server.guard import LOOPBACK, Guard
from pipeline_lib.application.server.limits import Limits
from pipeline_lib.application.server.load import Geometry, open_models
from pipeline_lib.application.server.protocol import options
from pipeline_lib.application.server.worker import Worker
from pipeline_lib.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """Where the server listens.

    Attributes
    ----------
    host, port
        Name or number of an interface of this machine, and a port; 0: any that is free.
    exposed
        Whether other machines may be let in.
    """

    host: str
    port: int
    exposed: bool


def serve(
    models: Sequence[str],
    genome: Path | None,
    address: Address,
    limits: Limits,
    geometry: Mapping[str, Geometry],
    say: Callable[[str], None],
) -> None:
    """Serve models until a signal ends it.

    Parameters
    ----------
    models
        See :func:`pipeline_lib.application.server.load.open_models`.
    genome
        For regions: FASTA, or a prepared genome.
    address
        Where to listen.
    limits
        What a client may ask for.
    geometry
        How tuned models are laid along sequences, by name.
    say
        Called with lines for the person at the prompt.

    Raises
    ------
    InputError
        If there is no such model or genome, or the address cannot be used.
    """
    loopback = is_loopback(address.host)
    if not loopback and not address.exposed:
        raise InputError(
            f"`--host {address.host}` would let other machines in, and there are no passwords",
            expected="127.0.0.1, which this machine alone reaches",
            remedy="leave --host out and use `ssh -L` to reach it from elsewhere, or add --expose",
        )
    opened = open_genome(genome) if genome else None
    served = open_models(models, geometry, limits.windows)
    hosts = set(LOOPBACK) if loopback else {*LOOPBACK, address.host, *_own_names()}
    worker = Worker(limits.waiting, limits.seconds)
    app = make_app(Answers(served, opened, limits), worker)
    guarded = Guard(app, limits, hosts, numeric=not loopback)
    listening = _listen(address)
    port = listening.getsockname()[1]
    shown = f"[{address.host}]" if ":" in address.host else address.host
    say(f"Models: {', '.join(served)}")
    if not loopback:
        say("Warning: every machine that reaches this one can use this page; it has no password.")
    say(f"Open http://{shown}:{port}/ in a browser; Ctrl-C ends the server.")
    # uvicorn ends by itself, and then sends itself the signal once more.
    signal.signal(signal.SIGTERM, lambda *_: None)
    config = uvicorn.Config(guarded, **options(limits))
    with listening, contextlib.suppress(KeyboardInterrupt):
        _Server(config, worker).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends what is being computed as soon as it is told to end."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self._worker = worker

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self._worker.close()
        super().handle_exit(sig, frame)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _own_names() -> set[str]:
    return {socket.gethostname().lower(), socket.getfqdn().lower()}


def _listen(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
    except OSError as error:
        raise InputError(
            f"cannot listen on {address.host}, port {address.port} ({error})",
            remedy="give another --port (0: any that is free)",
        ) from error
    return listening
