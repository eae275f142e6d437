"""Names of weights and settings: ours, and those of ``BertForMaskedLM`` in ``transformers``."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.masked import MaskedLanguageModel

# Ours, theirs. Query, key and value are one matrix here and three there.
_WHOLE = {
    "encoder.tokens.weight": "bert.embeddings.word_embeddings.weight",
    "encoder.positions.weight": "bert.embeddings.position_embeddings.weight",
    "encoder.norm.weight": "bert.embeddings.LayerNorm.weight",
    "encoder.norm.bias": "bert.embeddings.LayerNorm.bias",
    "transform.weight": "cls.predictions.transform.dense.weight",
    "transform.bias": "cls.predictions.transform.dense.bias",
    "norm.weight": "cls.predictions.transform.LayerNorm.weight",
    "norm.bias": "cls.predictions.transform.LayerNorm.bias",
    "bias": "cls.predictions.bias",
}
_IN_LAYER = {
    "attention.output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "expand": "intermediate.dense",
    "contract": "output.dense",
    "feedforward_norm": "output.LayerNorm",
}
TOKEN_TYPES = "bert.embeddings.token_type_embeddings.weight"
# Copies of tied weights, and buffers: found in some published folders, and not needed.
_IGNORED = {
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
    "bert.embeddings.position_ids",
}


def fits_transformers(architecture: Architecture) -> bool:
    """Tell whether ``BertForMaskedLM`` can hold a model of this shape."""
    return architecture.norm == "post" and architecture.positions == "learned"


def transformers_config(architecture: Architecture, vocab_size: int) -> dict[str, Any]:
    """Return the ``config.json`` by which ``transformers`` builds the same model."""
    fits = fits_transformers(architecture)
    return {
        "architectures": ["BertForMaskedLM" if fits else "DnalmTransformer"],
        "model_type": "bert" if fits else "dnalm-transformer",
        "vocab_size": vocab_size,
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.feedforward_width,
        "max_position_embeddings": architecture.context_length,
        "hidden_act": "gelu",
        "hidden_dropout_prob": architecture.dropout,
        "attention_probs_dropout_prob": architecture.dropout,
        "layer_norm_eps": architecture.norm_epsilon,
        "initializer_range": architecture.init_std,
        "type_vocab_size": 1,
        "unk_token_id": 0,
        "cls_token_id": 1,
        "sep_token_id": 2,
        "pad_token_id": 3,
        "mask_token_id": 4,
        "tie_word_embeddings": True,
    }


def to_transformers(model: MaskedLanguageModel) -> dict[str, Tensor]:
    """Return the weights under the names of ``BertForMaskedLM``.

    Positions other than learned ones have no weights, and are simply absent.
    """
    state = model.state_dict()
    result = {theirs: state[ours] for ours, theirs in _WHOLE.items() if ours in state}
    width = model.encoder.architecture.width
    result[TOKEN_TYPES] = torch.zeros(1, width, dtype=state["bias"].dtype)
    for ours, theirs in _layer_names(model.encoder.architecture.layers):
        result[theirs] = state[ours]
    for layer in range(model.encoder.architecture.layers):
        for kind in ("weight", "bias"):
            joint = state[f"encoder.layers.{layer}.attention.project.{kind}"]
            for name, part in zip(_projections(layer, kind), joint.chunk(3), strict=True):
                result[name] = part
    for name in ("weight", "bias"):
        if f"encoder.final_norm.{name}" in state:
            result[f"bert.encoder.final_norm.{name}"] = state[f"encoder.final_norm.{name}"]
    return {name: tensor.detach().clone().contiguous() for name, tensor in result.items()}


def from_transformers(state: dict[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Return weights saved by ``transformers`` under our names.

    The embedding of token type 0, which every token of ours has, is added to the positions.

    Raises
    ------
    InputError
        If weights are missing, or there are some that have no place in the model.
    """
    left = {name: tensor for name, tensor in state.items() if name not in _IGNORED}
    result: dict[str, Tensor] = {}
    missing: list[str] = []

    def take(name: str) -> Tensor:
        if name not in left:
            missing.append(name)
            return torch.empty(0)
        return left.pop(name)

    for ours, theirs in _WHOLE.items():
        if ours != "encoder.positions.weight" or architecture.positions == "learned":
            result[ours] = take(theirs)
    for ours, theirs in _layer_names(architecture.layers):
        result[ours] = take(theirs)
    for layer in range(architecture.layers):
        for kind in ("weight", "bias"):
            parts = [take(name) for name in _projections(layer, kind)]
            result[f"encoder.layers.{layer}.attention.project.{kind}"] = torch.cat(parts)
    if architecture.final_norm:
        for name in ("weight", "bias"):
            result[f"encoder.final_norm.{name}"] = take(f"bert.encoder.final_norm.{name}")
    types = left.pop(TOKEN_TYPES, None)
    if missing or left:
        raise InputError(
            f"weights do not fit: missing {_some(missing)}; without a place {_some(list(left))}",
            expected=f"a BERT of {architecture.layers} layers for masked tokens",
            remedy="give a folder saved by BertForMaskedLM with the config.json it came with",
        )
    if types is not None and "encoder.positions.weight" in result:
        result["encoder.positions.weight"] = result["encoder.positions.weight"] + types[0]
    return result


def _layer_names(layers: int) -> Iterator[tuple[str, str]]:
    for layer in range(layers):
        for ours, theirs in _IN_LAYER.items():
            for kind in ("weight", "bias"):
                yield (
                    f"encoder.layers.{layer}.{ours}.{kind}",
                    f"bert.encoder.layer.{layer}.{theirs}.{kind}",
                )


def _projections(layer: int, kind: str) -> list[str]:
    start = f"bert.encoder.layer.{layer}.attention.self"
    return [f"{start}.{name}.{kind}" for name in ("query", "key", "value")]


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3]) or "none"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
