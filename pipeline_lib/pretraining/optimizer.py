"""AdamW, Muon and the course of their learning rate."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from pipeline_lib.config.training import OptimizerSettings
from pipeline_lib.models.hyena import Layer as HyenaLayer
from pipeline_lib.models.hyena_filter import ImplicitFilter, filter_parameters
from pipeline_lib.models.layer import Layer


def make_optimizers(
    model: nn.Module, settings: OptimizerSettings, *, peak: float | None = None
) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a model: together they train each weight that asks for a gradient.

    With ``optimizer: muon`` the matrices of the layers (:func:`layer_matrices`) are trained by Muon
    (Jordan et al. 2024), everything else by AdamW. Muon's updates are scaled to the size of those
    of AdamW, 0.2 x sqrt(longer side) (Liu et al. 2025, section 2.2), so that the same learning
    rate and weight decay serve for both.

    Parameters
    ----------
    model
        Any module; of a wrapped one (DDP, FSDP2, compiled) the layers are found as well. FSDP2
        replaces weights: call this after it.
    settings
        Which optimizer, learning rate, decay, betas.
    peak
        Learning rate to use instead of that of the settings.

    Returns
    -------
    list
        ``[AdamW]`` or ``[Muon, AdamW]``, always in this order.
    """
    if settings.optimizer == "adamw":
        return [make_optimizer(model, settings, peak=peak)]
    matrices = layer_matrices(model)
    taken = {id(matrix) for matrix in matrices}
    others = [p for p in _trained(model) if id(p) not in taken]
    optimizers: list[torch.optim.Optimizer] = []
    if matrices:
        optimizers.append(
            torch.optim.Muon(
                matrices,
                lr=peak or settings.learning_rate,
                weight_decay=settings.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    if others:
        optimizers.append(_adamw(model, others, settings, peak))
    return optimizers


def make_optimizer(
    model: nn.Module, settings: OptimizerSettings, *, peak: float | None = None
) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter 2019) with decay on matrices alone.

    Biases, norms and other vectors are not pulled towards zero, nor are the weights that make the
    filters of Hyena (Nguyen et al. 2023).
    """
    return _adamw(model, _trained(model), settings, peak)


def layer_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the matrices of the layers, through which hidden vectors pass.

    Those of attention or of the Hyena operator, and of the feed-forward block. Embeddings, output
    layers and heads are left out, as Jordan et al. (2024) advise; so are convolutions, and the
    small networks that make the filters of Hyena.
    """
    layers = [part for part in model.modules() if isinstance(part, Layer | HyenaLayer)]
    of_filters = {
        id(p)
        for part in model.modules()
        if isinstance(part, ImplicitFilter)
        for p in part.parameters()
    }
    in_layers = {
        id(part.weight)
        for layer in layers
        for part in layer.modules()
        if isinstance(part, nn.Linear)
    }
    return [p for p in _trained(model) if id(p) in in_layers - of_filters]


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _adamw(
    model: nn.Module,
    parameters: list[nn.Parameter],
    settings: OptimizerSettings,
    peak: float | None,
) -> torch.optim.AdamW:
    spared = {id(parameter) for parameter in filter_parameters(model)}
    decayed = [p for p in parameters if p.ndim > 1 and id(p) not in spared]
    plain = [p for p in parameters if p.ndim < 2 or id(p) in spared]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=peak or settings.learning_rate,
        betas=settings.betas,
        eps=settings.adam_epsilon,
        fused=True,
    )


def learning_rate(
    step: int, *, peak: float, warmup: int, total: int, schedule: str, decay_share: float = 0.1
) -> float:
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
        All steps; all schedules but ``constant`` end near zero there.
    schedule
        ``linear``, ``cosine``, ``constant`` or ``warmup_stable_decay``. The last one stays at its
        peak and falls in a straight line at the end (Hu et al. 2024, section 4; Hägele et al.
        2024): a run can be prolonged from a checkpoint before the fall.
    decay_share
        Share of all steps over which ``warmup_stable_decay`` falls.
    """
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if schedule == "warmup_stable_decay":
        fall = decay_share * total
        # Where the fall begins before the warm-up ends, the lower of the two counts.
        falling = min(1.0, (total - step) / fall) if fall > 0 else 1.0
        return peak * min(rising, falling)
    if step < warmup:
        return peak * rising
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return peak * (1.0 - done)
    if schedule == "cosine":
        return peak * 0.5 * (1.0 + math.cos(math.pi * done))
    return peak


def set_learning_rate(
    optimizers: torch.optim.Optimizer | Iterable[torch.optim.Optimizer], rate: float
) -> None:
    """Use a learning rate from the next step on."""
    several = [optimizers] if isinstance(optimizers, torch.optim.Optimizer) else optimizers
    for optimizer in several:
        for group in optimizer.param_groups:
            group["lr"] = rate
