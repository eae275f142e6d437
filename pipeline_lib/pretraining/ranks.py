"""The processes of a training run: which of them this one is, and what they tell each other.

Every process runs the same program and holds a share of each batch. Small numbers and objects go
through the CPU, gradients through what is fastest between the devices.
"""

import logging
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from pipeline_lib.errors import TrainingError
from pipeline_lib.stopping import TryAgain

T = TypeVar("T")
logger = logging.getLogger(__name__)
TAKEN = re.compile("EADDRINUSE|already in use")
CPU = torch.device("cpu")
JOIN_MINUTES = 10
"""How long processes wait for the others to start: jobs of a node or two may be slow to come up."""


@dataclass(frozen=True)
class Ranks:
    """This process among the others.

    Attributes
    ----------
    number
        Number of this process, from 0.
    count
        Number of all processes.
    device
        Where this process computes.
    quiet_group
        A second group, so that a checkpoint can be written while training goes on.
    """

    number: int = 0
    count: int = 1
    device: torch.device = CPU
    quiet_group: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes what is written once."""
        return self.number == 0

    def share(self, count: int) -> tuple[int, int]:
        """Return the first and one past the last of this process's share of so many."""
        return self.number * count // self.count, (self.number + 1) * count // self.count

    def total(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return the sums of numbers over all processes."""
        numbers = np.array(values, dtype=np.float64)
        if self.count > 1:
            dist.all_reduce(torch.from_numpy(numbers))
        return numbers

    def gather(self, value: T, *, quiet: bool = False) -> list[T]:
        """Return what every process has to say, in their order."""
        if self.count == 1:
            return [value]
        said: list[Any] = [None] * self.count
        dist.all_gather_object(said, value, group=self.quiet_group if quiet else None)
        return said

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def joined(stall_minutes: float) -> Iterator[Ranks]:
    """Join the processes that the launcher has started, and leave them at the end.

    The variables of the environment are those of ``torchrun``: RANK, WORLD_SIZE, LOCAL_RANK,
    MASTER_ADDR and MASTER_PORT. Without them there is one process.

    Raises
    ------
    TrainingError
        If the others do not come, or cannot be found.
    TryAgain
        If another program has taken the port since the launcher chose it.
    """
    count, number = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    device = _device(int(os.environ.get("LOCAL_RANK", 0)))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if count == 1:
        yield Ranks(device=device)
        return
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    try:
        socket.getaddrinfo(host, int(port))
    except OSError as error:
        raise TrainingError(
            f"process {number} on {socket.gethostname()} cannot find {host!r}, the machine of "
            "process 0, by its name. To fix: let the machines' names be resolved (/etc/hosts or "
            "DNS), or use one machine with `slurm.nodes: 1`"
        ) from error
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    # A process that is behind is named by the watchdog before this time is over.
    patience = timedelta(minutes=max(2 * stall_minutes, JOIN_MINUTES))
    try:
        dist.init_process_group(
            backend, rank=number, world_size=count, timeout=patience,
            init_method=f"tcp://{host}:{port}",
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        if TAKEN.search(str(error)):
            logger.warning("port %s is taken by another program: to be started with another", port)
            raise TryAgain from error
        raise TrainingError(
            f"process {number} of {count} could not join the others at {host}:{port} ({error})"
        ) from error
    try:
        quiet = dist.new_group(backend="gloo", timeout=patience)
        yield Ranks(number, count, device, quiet)
    finally:
        dist.destroy_process_group()


def _device(local: int) -> torch.device:
    """Return the device of the process with a number on its machine."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", local % torch.cuda.device_count())
