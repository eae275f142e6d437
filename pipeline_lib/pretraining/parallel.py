"""A model spread over processes: whole copies (DDP), or a share of everything each (FSDP2).

Gradients are sums over the whole batch divided by what the whole batch asks for, so that the
number of processes changes a step by rounding alone.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from pipeline_lib.errors import InputError
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.losses import Totals, Trained, autocast
from pipeline_lib.pretraining.ranks import Ranks

logger = logging.getLogger(__name__)


class Spread:
    """What is trained, on all processes together.

    Parameters
    ----------
    trained
        The model and its loss, the same on every process; with ``fsdp`` its parameters become
        shares.
    ranks
        The processes.
    fsdp
        Whether each process holds a share of the parameters; otherwise it holds all of them.
    precision
        Setting ``precision``.
    compiled
        Setting ``compile``.

    Raises
    ------
    InputError
        If the model cannot be spread in this way.
    """

    def __init__(
        self, trained: Trained, ranks: Ranks, *, fsdp: bool, precision: str, compiled: str = "no"
    ) -> None:
        self.trained, self.ranks, self.sharded = trained, ranks, fsdp and ranks.count > 1
        self._precision = precision
        self._module: nn.Module = trained
        if compiled == "yes" or (compiled == "auto" and ranks.device.type == "cuda"):
            compile_layers(trained, must=compiled == "yes")
        if ranks.count == 1 or (trained.in_runs and not fsdp):
            return
        if self.sharded:
            _shard(trained, ranks)
            return
        # The loss of recurrent memory is propagated back run by run: it is averaged by hand.
        devices = [ranks.device] if ranks.device.type == "cuda" else None
        self._module = DistributedDataParallel(
            trained, device_ids=devices, gradient_as_bucket_view=True
        )

    def backward(self, parts: Sequence[Examples], totals: Totals) -> tuple[float, float]:
        """Add the gradients of this process's part of a batch to those of the others.

        Parameters
        ----------
        parts
            What is computed at once; as many in every process.
        totals
            Of the whole batch.

        Returns
        -------
        tuple
            This process's part of the loss, and of the loss of tokens. They are to be summed.
        """
        loss = tokens = torch.zeros((), device=self.ranks.device)
        # DDP and FSDP divide what they sum by the number of processes.
        share = float(self.ranks.count)
        for number, part in enumerate(parts):
            with self._summed(number == len(parts) - 1):
                if self.trained.in_runs:
                    for found in self._runs(part, totals):
                        found.backward()  # type: ignore[no-untyped-call]
                        loss = tokens = loss + found.detach()
                    continue
                with autocast(self._precision, self.ranks.device):
                    found, of_tokens = self._module(part, totals)
                (found * share).backward()
                loss, tokens = loss + found.detach(), tokens + of_tokens
        if self.trained.in_runs and self.ranks.count > 1:
            _sum_gradients(list(self.trained.parameters()))
        said = torch.stack([loss, tokens]).tolist()
        return said[0], said[1]

    def held_out(self, examples: Examples) -> float:
        """Return the sum of the cross-entropy of tokens, in nats, without gradients."""
        with torch.no_grad(), autocast(self._precision, self.ranks.device):
            loss = float(self.trained(examples, None)[0])
        if isinstance(self.trained, FSDPModule):
            self.trained.reshard()  # no backward pass follows, which would do it
        return loss

    def clip(self, norm: float) -> float:
        """Scale all gradients down to a norm; return the norm they had."""
        found = nn.utils.clip_grad_norm_(self.trained.parameters(), norm)
        return float(found.full_tensor() if isinstance(found, DTensor) else found)

    def free(self) -> None:
        """Give memory that is not in use back to the device."""
        if self.ranks.device.type == "cuda":
            torch.cuda.empty_cache()

    def _runs(self, part: Examples, totals: Totals) -> Iterator[Tensor]:
        with autocast(self._precision, self.ranks.device):
            yield from self.trained.runs(part, totals)

    @contextmanager
    def _summed(self, last: bool) -> Iterator[None]:
        """Exchange gradients with the other processes once, with the last part of a batch."""
        if isinstance(self._module, DistributedDataParallel) and not last:
            with self._module.no_sync():
                yield
            return
        if self.sharded:
            assert isinstance(self.trained, FSDPModule)
            self.trained.set_requires_gradient_sync(last)
        yield


def in_parts(examples: Examples, count: int) -> list[Examples]:
    """Divide examples into so many parts of nearly equal size."""
    rows = np.array_split(np.arange(len(examples.inputs)), count)
    return [examples.rows(part) for part in rows if len(part)]


def layers_of(trained: Trained) -> nn.ModuleList:
    """Return the layers of the encoder."""
    encoder = trained.model.encoder
    layers = getattr(encoder, "strand", encoder).layers
    assert isinstance(layers, nn.ModuleList)
    return layers


def compile_layers(trained: Trained, *, must: bool = True, backend: str = "inductor") -> None:
    """Compile every layer by itself: quick to do, and the names of weights stay.

    Parameters
    ----------
    must
        Whether what cannot be compiled is an error; otherwise it is run as it is.
    """
    if not must:
        torch._dynamo.config.suppress_errors = True
    for layer in layers_of(trained):
        layer.compile(backend=backend, dynamic=True)


def prefers_shares(needed: int, available: int | None, ranks: Ranks) -> bool:
    """Tell whether a model leaves too little room beside it, so that shares are better.

    Parameters
    ----------
    needed
        Bytes of weights, gradients and optimizer.
    available
        Bytes of the device, None if unknown.
    """
    return ranks.count > 1 and available is not None and needed > available / 2


def _shard(trained: Trained, ranks: Ranks) -> None:
    """Make every layer, and all that is not in a layer, a group whose weights come and go."""
    if trained.in_runs:
        raise InputError(
            "`parallel: fsdp` for recurrent memory, whose loss is propagated back run by run",
            where="pretraining.models.*.parallel",
            expected="`ddp` or `auto`",
            remedy="leave `parallel` out",
        )
    mesh = init_device_mesh(ranks.device.type, (ranks.count,))
    layers = layers_of(trained)
    if len(layers) == trained.model.encoder.architecture.layers:  # each is used once
        for layer in layers:
            fully_shard(layer, mesh=mesh)
    fully_shard(trained, mesh=mesh)


def _sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace the gradients by their sums over all processes."""
    used = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in used:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    grads = [parameter.grad for parameter in used if parameter.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    sizes = [grad.numel() for grad in grads]
    for grad, summed in zip(grads, torch.split(flat, sizes), strict=True):
        grad.copy_(summed.view_as(grad))


def seed_step(seed: int, step: int, ranks: Ranks) -> None:
    """Seed what is left to chance in a step, dropout, by its number and the process's.

    A run that goes on thus needs no memory of it, and may go on with more or fewer processes.
    """
    mixed = np.random.SeedSequence([seed, step, ranks.number]).generate_state(1, np.uint64)[0]
    # `torch.manual_seed` seeds every device there might be, which takes as long as a small layer.
    torch.default_generator.manual_seed(int(mixed))
    if ranks.device.type == "cuda":
        torch.cuda.manual_seed(int(mixed))


def finite(*values: float) -> bool:
    """Tell whether all are numbers."""
    return all(map(math.isfinite, values))
