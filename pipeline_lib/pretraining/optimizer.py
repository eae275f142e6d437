"""AdamW and the course of its learning rate."""

import math

import torch
from torch import nn

from pipeline_lib.config.training import OptimizerSettings


def make_optimizer(
    model: nn.Module, settings: OptimizerSettings, *, peak: float | None = None
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) with decay on matrices alone.

    Biases, norms and other vectors are not pulled towards zero.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=peak or settings.learning_rate,
        betas=settings.betas,
        eps=settings.adam_epsilon,
        fused=True,
    )


def learning_rate(step: int, *, peak: float, warmup: int, total: int, schedule: str) -> float:
    """Return the learning rate of a step, a function of its number alone.

    Parameters
    ----------
    step
        From 0 to ``total`` - 1.
    peak
        Rate at the end of the warm-up.
    warmup
        Steps of linear rise.
    total
        All steps; ``linear`` and ``cosine`` end near zero there.
    schedule
        ``linear``, ``cosine`` or ``constant``.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return peak * (1.0 - done)
    if schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    return peak


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
