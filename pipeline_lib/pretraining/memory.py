"""Will it fit? Said before the first step, and again if it did not."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.models.memory_estimate import MemoryEstimate, estimate
from pipeline_lib.pretraining.parallel import prefers_shares
from pipeline_lib.pretraining.ranks import Ranks

logger = logging.getLogger(__name__)
ADVICE = (
    "To fix, in this order: spread the model over more GPUs with `parallel: fsdp`; lower "
    "`context_length` of the architecture; choose a smaller preset"
)
# The last two are what cuBLAS says on a GPU, and oneDNN on a CPU, whatever it lacked.
NO_ROOM = (
    "out of memory", "can't allocate memory", "cannot allocate memory",
    "alloc_failed", "could not create a primitive",
)  # fmt: skip
GIB = 2**30


@dataclass(frozen=True)
class MemoryPlan:
    """How a run fits into memory.

    Attributes
    ----------
    accumulation
        In how many parts a batch is computed.
    fsdp
        Whether each process holds a share of the weights.
    """

    accumulation: int
    fsdp: bool


def plan_memory(
    architecture: AnyArchitecture,
    vocab_size: int,
    settings: PretrainingSettings,
    *,
    ranks: Ranks,
    available: int | None = None,
) -> MemoryPlan:
    """Estimate what training takes, and find parts of a batch that fit; refuse what cannot.

    Parameters
    ----------
    ranks
        The processes, which share a batch.
    available
        Bytes that each has; default: what the devices say.

    Raises
    ------
    TrainingError
        If more is needed than there is; it names the settings to lower.
    """
    own = available_memory(ranks.device) if available is None else available
    there = min((said for said in ranks.gather(own) if said is not None), default=None)
    inputs = -(-settings.batch_size // ranks.count)
    accumulation = min(settings.accumulation, inputs)
    needed = _needed(architecture, vocab_size, settings, inputs, accumulation, ranks)
    fixed = needed.weights + needed.gradients + needed.optimizer
    fsdp = settings.parallel == "fsdp" or (
        settings.parallel == "auto"
        and architecture_can_be_shared(architecture)
        and prefers_shares(fixed, there, ranks)
    )
    while there is not None and _total(needed, fsdp, ranks) > there and accumulation < inputs:
        accumulation *= 2
        needed = _needed(architecture, vocab_size, settings, inputs, accumulation, ranks)
    divided = f", shared by {ranks.count} processes" if fsdp and ranks.count > 1 else ""
    parts = (
        f"{_gib(needed.weights)} of weights, {_gib(needed.gradients + needed.optimizer)} of "
        f"gradients and optimizer{divided}, {_gib(needed.activations)} for "
        f"{-(-inputs // accumulation)} inputs of {architecture.input_length:,} tokens at a time"
    )
    total = _total(needed, fsdp, ranks)
    logger.info(
        "memory: about %s (%s), of %s available", _gib(total), parts,
        "an unknown amount" if there is None else _gib(there),
    )  # fmt: skip
    if there is not None and total > there:
        raise TrainingError(
            f"training would take about {_gib(total)} of memory ({parts}); there are "
            f"{_gib(there)}. {ADVICE}"
        )
    if accumulation > settings.accumulation:
        logger.warning(
            "a batch would not fit into memory: it is computed in %d parts instead of %d, which "
            "changes no result", accumulation, settings.accumulation,
        )  # fmt: skip
    return MemoryPlan(accumulation, fsdp)


def _needed(
    architecture: AnyArchitecture,
    vocab_size: int,
    settings: PretrainingSettings,
    inputs: int,
    accumulation: int,
    ranks: Ranks,
) -> MemoryEstimate:
    bf16 = settings.precision == "bf16"
    bf16 |= ranks.device.type == "cuda" and settings.precision != "fp32"
    return estimate(
        architecture,
        vocab_size,
        batch_size=-(-inputs // accumulation),
        length=architecture.input_length,
        precision="bfloat16" if bf16 else "float32",
    )


def _total(needed: MemoryEstimate, fsdp: bool, ranks: Ranks) -> int:
    fixed = needed.weights + needed.gradients + needed.optimizer
    return needed.activations + (fixed // ranks.count if fsdp else fixed)


def architecture_can_be_shared(architecture: AnyArchitecture) -> bool:
    """Tell whether a model can be spread in shares: all but recurrent memory."""
    return getattr(architecture, "memory", None) is None


def no_memory_left(error: BaseException) -> bool:
    """Tell whether an error is about memory that is used up."""
    # torch.OutOfMemoryError is a RuntimeError; on a CPU there is no error of its own.
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in NO_ROOM)


def out_of_memory() -> TrainingError:
    """Return the error of a run whose smallest part of a batch does not fit."""
    return TrainingError(
        "the memory was used up by the smallest part of a batch. The last checkpoint is kept. "
        "To fix: lower `context_length` of the architecture, choose a smaller preset, set "
        "`checkpointing: true` where the architecture has it, or spread the model over several "
        "GPUs with `parallel: fsdp`"
    )


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
