"""Settings that pretraining and fine-tuning have in common."""

from typing import Literal

from pydantic import Field

from pipeline_lib.config.base import Section, Share


class OptimizerSettings(Section):
    """AdamW (Loshchilov and Hutter 2019) or Muon (Jordan et al. 2024), warm-up and clipping."""

    optimizer: Literal["adamw", "muon"] = Field(
        "adamw",
        description="`muon`: Muon for the matrices of the layers, scaled to the updates of AdamW "
        "so that the same learning rates serve, and AdamW for all else.",
    )
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay, on matrices alone.")
    betas: tuple[float, float] = Field((0.9, 0.98), description="The two betas of AdamW.")
    adam_epsilon: float = Field(1e-6, gt=0, description="Epsilon of AdamW.")
    clip_norm: float = Field(
        1.0, gt=0, description="Gradients are scaled down to at most this norm."
    )
    schedule: Literal["linear", "cosine", "constant", "warmup_stable_decay"] = Field(
        "linear", description="What the learning rate does after the warm-up."
    )
    decay_share: Share = Field(
        0.1,
        description="Share of the steps, at the end, over which `warmup_stable_decay` falls to 0.",
    )
    accumulation: int = Field(
        1, ge=1, description="A batch is computed in this many parts, to save memory."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="`auto`: bf16 on a GPU that has it, fp32 elsewhere."
    )
