"""Names of the weights of HyenaDNA: ours, and those of the published checkpoints."""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.hyena_filter import decay_rates, delay_features

TOKENS = "backbone.embeddings.word_embeddings.weight"
HEAD = "lm_head.weight"
_OPERATOR = {
    "operator.project": "mixer.in_proj",
    "operator.short": "mixer.short_filter",
    "operator.output": "mixer.out_proj",
    "operator_norm": "norm1",
    "feedforward_norm": "norm2",
    "expand": "mlp.fc1",
    "contract": "mlp.fc2",
}


def published_names(architecture: HyenaArchitecture) -> Iterator[tuple[str, str]]:
    """Yield our name and the published one of every weight."""
    yield "encoder.tokens.weight", TOKENS
    if not architecture.tied_output:
        yield "output.weight", HEAD
    for kind in ("weight", "bias"):
        yield f"encoder.final_norm.{kind}", f"backbone.ln_f.{kind}"
    for layer in range(architecture.layers):
        ours, theirs = f"encoder.layers.{layer}", f"backbone.layers.{layer}"
        for mine, published in _OPERATOR.items():
            for kind in ("weight", "bias"):
                yield f"{ours}.{mine}.{kind}", f"{theirs}.{published}.{kind}"
        ours, theirs = f"{ours}.operator.filter", f"{theirs}.mixer.filter_fn"
        yield f"{ours}.skip", f"{theirs}.bias"
        yield f"{ours}.frequency", f"{theirs}.implicit_filter.1.freq"
        for part in range(architecture.filter_layers):  # linear layers and sines take turns
            for kind in ("weight", "bias"):
                yield f"{ours}.hidden.{part}.{kind}", f"{theirs}.implicit_filter.{2 * part}.{kind}"
        last = 2 * architecture.filter_layers
        yield f"{ours}.output.weight", f"{theirs}.implicit_filter.{last}.weight"


def published_copies(architecture: HyenaArchitecture) -> dict[str, str]:
    """Return the names under which weights are saved again, and those of the weights."""
    copies = {HEAD: TOKENS} if architecture.tied_output else {}
    for layer in range(architecture.layers):
        implicit = f"backbone.layers.{layer}.mixer.filter_fn.implicit_filter"
        for part in range(1, architecture.filter_layers):
            copies[f"{implicit}.{2 * part + 1}.freq"] = f"{implicit}.1.freq"
    return copies


def published_buffers(architecture: HyenaArchitecture) -> dict[str, Tensor]:
    """Return the positions and decay rates that published checkpoints hold in every layer.

    Here they are not weights but computed, in float64, and the same tensors in all layers.
    """
    features = delay_features(architecture, architecture.taps, torch.empty(0, dtype=torch.float64))
    buffers = {
        "pos_emb.z": features[None],  # (1, taps, features)
        "pos_emb.t": features[None, :, :1],  # (1, taps, 1)
        "modulation.deltas": -decay_rates(architecture)[None, None],  # (1, 1, width)
    }
    return {
        f"backbone.layers.{layer}.mixer.filter_fn.{name}": tensor
        for layer in range(architecture.layers)
        for name, tensor in buffers.items()
    }
