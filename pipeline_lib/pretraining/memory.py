"""Will it fit? Said before the first step, and again if it did not."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.training import OptimizerSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.models.memory_estimate import MemoryEstimate, estimate

logger = logging.getLogger(__name__)
ADVICE = (
    "To fix, in this order: raise `accumulation`, so that a batch is computed in more parts, which "
    "changes no result; lower `batch_size`; lower `context_length` of the architecture, or choose "
    "a smaller preset"
)
NO_ROOM = ("out of memory", "can't allocate memory", "cannot allocate memory")
GIB = 2**30


def check_memory(
    architecture: AnyArchitecture,
    vocab_size: int,
    settings: OptimizerSettings,
    *,
    batch_size: int,
    device: torch.device,
    available: int | None = None,
) -> MemoryEstimate:
    """Estimate what training takes, and refuse what cannot fit.

    Parameters
    ----------
    batch_size
        Inputs of an optimizer step.
    available
        Bytes that there are; default: what the device says.

    Raises
    ------
    TrainingError
        If more is needed than there is; it names the settings to lower.
    """
    bf16 = (device.type == "cuda" and settings.precision != "fp32") or settings.precision == "bf16"
    at_once = -(-batch_size // settings.accumulation)
    needed = estimate(
        architecture,
        vocab_size,
        batch_size=at_once,
        length=architecture.input_length,
        precision="bfloat16" if bf16 else "float32",
    )
    there = available_memory(device) if available is None else available
    parts = (
        f"{_gib(needed.weights)} of weights, {_gib(needed.gradients + needed.optimizer)} of "
        f"gradients and optimizer, {_gib(needed.activations)} for {at_once} inputs of "
        f"{architecture.input_length:,} tokens at a time"
    )
    logger.info(
        "memory: about %s (%s), of %s available", _gib(needed.total), parts,
        "an unknown amount" if there is None else _gib(there),
    )  # fmt: skip
    if there is not None and needed.total > there:
        raise TrainingError(
            f"training would take about {_gib(needed.total)} of memory ({parts}); there are "
            f"{_gib(there)}. {ADVICE}"
        )
    return needed


@contextmanager
def memory_errors(needed: MemoryEstimate) -> Iterator[None]:
    """Turn running out of memory into a sentence that says what to lower.

    Raises
    ------
    TrainingError
        In place of the error of the device; the last checkpoint is kept.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(
            words in str(error).lower() for words in NO_ROOM
        ):
            raise
        raise TrainingError(
            f"the memory was used up; about {_gib(needed.total)} were expected to be needed. The "
            f"last checkpoint is kept. {ADVICE}"
        ) from error


def available_memory(device: torch.device) -> int | None:
    """Return the bytes free on a GPU, or on the machine and to its group; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_meminfo(), _control_group()]
    return min((limit for limit in limits if limit is not None), default=None)


def _meminfo(path: Path = Path("/proc/meminfo")) -> int | None:
    """Return what Linux says is available, None elsewhere."""
    try:
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _control_group(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return what is left of the limit of a container or a batch job, None without one."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        # Files that were read are forgotten when the room is needed.
        lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
        files = sum(int(size) for name, size in lines if name in ("active_file", "inactive_file"))
        return limit - used + files
    except (OSError, ValueError):  # no control groups, or `max`: no limit
        return None


def _gib(count: float) -> str:
    return f"{count / GIB:.2f} GiB"
