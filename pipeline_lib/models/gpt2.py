"""Names of weights and settings: ours, and those of ``GPT2LMHeadModel`` in ``transformers``."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.names import (
    THEIR_ACTIVATIONS,
    Entry,
    both,
    our_activation,
    their_activation,
)


def _entries(architecture: Architecture) -> Iterator[Entry]:
    yield Entry("encoder.tokens.weight", ("transformer.wte.weight",))
    yield Entry("encoder.positions.weight", ("transformer.wpe.weight",))
    for layer in range(architecture.layers):
        ours, theirs = f"encoder.layers.{layer}", f"transformer.h.{layer}"
        yield from both(f"{ours}.attention_norm", f"{theirs}.ln_1")
        # Its linear layers hold their matrices with the input first.
        yield from both(f"{ours}.attention.project", f"{theirs}.attn.c_attn", transposed=True)
        yield from both(f"{ours}.attention.output", f"{theirs}.attn.c_proj", transposed=True)
        yield from both(f"{ours}.feedforward_norm", f"{theirs}.ln_2")
        yield from both(f"{ours}.expand", f"{theirs}.mlp.c_fc", transposed=True)
        yield from both(f"{ours}.contract", f"{theirs}.mlp.c_proj", transposed=True)
    yield from both("encoder.final_norm", "transformer.ln_f")


def _settings(architecture: Architecture) -> dict[str, Any]:
    return {
        "n_layer": architecture.layers,
        "n_embd": architecture.width,
        "n_head": architecture.heads,
        "n_inner": architecture.feedforward_width,
        "n_positions": architecture.context_length,
        "activation_function": their_activation(architecture),
        "resid_pdrop": architecture.dropout,
        "embd_pdrop": architecture.dropout,
        "attn_pdrop": architecture.dropout,
        "layer_norm_epsilon": architecture.norm_epsilon,
        "initializer_range": architecture.init_std,
        "scale_attn_weights": True,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "family": "gpt2",
        "layers": config["n_layer"],
        "width": config["n_embd"],
        "heads": config["n_head"],
        "feedforward_width": config.get("n_inner") or 4 * config["n_embd"],
        "context_length": config["n_positions"],
        "norm": "pre",
        "final_norm": True,
        "embedding_norm": False,
        "attention": "causal",
        "activation": our_activation(config["activation_function"]),
        "dropout": config["resid_pdrop"],
        "norm_epsilon": config["layer_norm_epsilon"],
        "init_std": config.get("initializer_range", 0.02),
        "scaled_init": True,
    }


ADAPTER = Adapter(
    class_name="GPT2LMHeadModel",
    model_type="gpt2",
    entries=_entries,
    settings=_settings,
    shape=_shape,
    needed={
        "norm": ["pre"],
        "final_norm": [True],
        "embedding_norm": [False],
        "first_norm": [True],
        "bias": [True],
        "positions": ["learned"],
        "attention": ["causal"],
        "feedforward": ["mlp"],
        "share_layers": [False],
        "numbers": [False],
        "output": ["tied"],
    },
    ignored=r"lm_head\.weight|transformer\.h\.\d+\.attn\.(masked_)?bias",
    usual={
        "activation_function": ["gelu_new", *THEIR_ACTIVATIONS],
        "scale_attn_weights": [True],
        "scale_attn_by_inverse_layer_idx": [False],
        "reorder_and_upcast_attn": [False],
        "add_cross_attention": [False],
        "tie_word_embeddings": [True],
    },
)
