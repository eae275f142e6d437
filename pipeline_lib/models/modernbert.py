"""Names of weights and settings: ours, and those of ``ModernBertForMaskedLM``."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.attention import attention_kind
from pipeline_lib.models.names import (
    SPECIAL_TOKENS,
    THEIR_ACTIVATIONS,
    Entry,
    both,
    our_activation,
    their_activation,
)

_BIASES = ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias")
_THETA = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}
_USUAL_THETA = {"full_attention": 160_000.0, "sliding_attention": 10_000.0}


def _entries(architecture: Architecture) -> Iterator[Entry]:
    yield Entry("encoder.tokens.weight", ("model.embeddings.tok_embeddings.weight",))
    yield from both("encoder.norm", "model.embeddings.norm")
    for layer in range(architecture.layers):
        ours, theirs = f"encoder.layers.{layer}", f"model.layers.{layer}"
        yield from both(f"{ours}.attention_norm", f"{theirs}.attn_norm")
        yield from both(f"{ours}.attention.project", f"{theirs}.attn.Wqkv")
        yield from both(f"{ours}.attention.output", f"{theirs}.attn.Wo")
        yield from both(f"{ours}.feedforward_norm", f"{theirs}.mlp_norm")
        yield from both(f"{ours}.expand", f"{theirs}.mlp.Wi")
        yield from both(f"{ours}.contract", f"{theirs}.mlp.Wo")
    yield from both("encoder.final_norm", "model.final_norm")
    yield from both("transform", "head.dense")
    yield from both("norm", "head.norm")
    yield Entry("bias", ("decoder.bias",))


def _settings(architecture: Architecture) -> dict[str, Any]:
    theta = architecture.rotary_theta
    thetas = {
        "full_attention": theta,
        "sliding_attention": architecture.rotary_theta_local or theta,
    }
    return {
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.feedforward_width,
        "max_position_embeddings": architecture.context_length,
        "hidden_activation": their_activation(architecture),
        "norm_eps": architecture.norm_epsilon,
        "initializer_range": architecture.init_std,
        "embedding_dropout": architecture.dropout,
        "attention_dropout": architecture.dropout,
        "mlp_dropout": architecture.dropout,
        **dict.fromkeys(_BIASES, architecture.bias),
        "decoder_bias": True,
        "local_attention": architecture.local_window,
        "layer_types": _layer_types(architecture),
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": value} for kind, value in thetas.items()
        },
        # The same under the names of older versions.
        "global_attn_every_n_layers": architecture.global_every,
        **{_THETA[kind]: value for kind, value in thetas.items()},
        **SPECIAL_TOKENS,
        "bos_token_id": SPECIAL_TOKENS["cls_token_id"],
        "eos_token_id": SPECIAL_TOKENS["sep_token_id"],
    }


def _layer_types(architecture: Architecture) -> list[str]:
    kinds = {"full": "full_attention", "local": "sliding_attention"}
    return [kinds[attention_kind(architecture, n)] for n in range(architecture.layers)]


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    if len({config.get(name, False) for name in _BIASES}) > 1:
        raise InputError(
            "biases in some parts of the model and not in others",
            path="config.json",
            expected=f"the same of {', '.join(_BIASES)}",
            remedy="give a usual ModernBERT, which has none",
        )
    shape = {
        "family": "modernbert",
        "layers": config["num_hidden_layers"],
        "width": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "feedforward_width": config["intermediate_size"],
        "context_length": config["max_position_embeddings"],
        "norm": "pre",
        "final_norm": True,
        "first_norm": False,
        "bias": config.get("norm_bias", False),
        "positions": "rotary",
        "rotary_theta": _theta(config, "full_attention"),
        "rotary_theta_local": _theta(config, "sliding_attention"),
        "attention": "local",
        "local_window": config["local_attention"],
        "global_every": _global_every(config),
        "feedforward": "gated",
        "activation": our_activation(config.get("hidden_activation", "gelu")),
        "dropout": config.get("mlp_dropout", 0.0),
        "norm_epsilon": config["norm_eps"],
        "init_std": config.get("initializer_range", 0.02),
    }
    types = config.get("layer_types")
    if types and types != _layer_types(Architecture(**shape)):
        raise InputError(
            "layers with full attention that are not every n-th from the first on",
            path="config.json",
            remedy="give a usual ModernBERT",
        )
    return shape


def _theta(config: Mapping[str, Any], kind: str) -> float:
    rope = (config.get("rope_parameters") or {}).get(kind, {})
    if rope.get("rope_type", "default") != "default":
        raise InputError(
            f"rotary positions of type {rope['rope_type']!r}",
            path="config.json",
            expected="'default'",
            remedy="give a usual ModernBERT",
        )
    return float(rope.get("rope_theta", config.get(_THETA[kind], _USUAL_THETA[kind])))


def _global_every(config: Mapping[str, Any]) -> int:
    types = config.get("layer_types")
    if not types:
        return int(config.get("global_attn_every_n_layers", 3))
    full = [number for number, kind in enumerate(types) if kind == "full_attention"]
    return full[1] - full[0] if len(full) > 1 else len(types)


ADAPTER = Adapter(
    class_name="ModernBertForMaskedLM",
    model_type="modernbert",
    entries=_entries,
    settings=_settings,
    shape=_shape,
    needed={
        "norm": ["pre"],
        "final_norm": [True],
        "embedding_norm": [True],
        "first_norm": [False],
        "positions": ["rotary"],
        "rotary_width": [None],
        "attention": ["local"],
        "feedforward": ["gated"],
        "share_layers": [False],
        "embedding_width": [None],
    },
    ignored=r"decoder\.weight",
    usual={"hidden_activation": THEIR_ACTIVATIONS, "decoder_bias": [True]},
)
