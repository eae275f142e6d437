"""Names that BERT, BigBird and ALBERT share in ``transformers``: settings and weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline_lib.config.architecture import Architecture

_ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new"}
THEIR_ACTIVATIONS = [*_ACTIVATIONS.values(), "gelu_pytorch_tanh"]
USUAL: dict[str, Sequence[Any]] = {
    "hidden_act": THEIR_ACTIVATIONS,
    "position_embedding_type": ["absolute"],
    "is_decoder": [False],
}
"""What BERT, BigBird and ALBERT must be set to, the default first."""
SPECIAL_TOKENS = {
    "unk_token_id": 0,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "pad_token_id": 3,
    "mask_token_id": 4,
}
POST_NORM_ENCODER: dict[str, Sequence[Any]] = {
    "norm": ["post"],
    "final_norm": [False],
    "embedding_norm": [True],
    "bias": [True],
    "positions": ["learned"],
    "feedforward": ["mlp"],
}
"""What an architecture must be to fit into BERT, BigBird or ALBERT."""


class Entry(NamedTuple):
    """A weight of ours and the weights of ``transformers`` that make it up, top to bottom."""

    ours: str
    theirs: tuple[str, ...]
    transposed: bool = False


def both(ours: str, *theirs: str, transposed: bool = False) -> Iterator[Entry]:
    """Yield the entries of a part's weight and of its bias."""
    yield Entry(f"{ours}.weight", tuple(f"{name}.weight" for name in theirs), transposed)
    yield Entry(f"{ours}.bias", tuple(f"{name}.bias" for name in theirs))


def projections(start: str) -> list[str]:
    """Return query, key and value: one matrix here, three there."""
    return [f"{start}.{name}" for name in ("query", "key", "value")]


def bert_entries(architecture: Architecture) -> Iterator[Entry]:
    """Yield the weights of ``BertForMaskedLM``, which are those of BigBird as well."""
    embeddings, head = "bert.embeddings", "cls.predictions"
    yield Entry("encoder.tokens.weight", (f"{embeddings}.word_embeddings.weight",))
    yield Entry("encoder.positions.weight", (f"{embeddings}.position_embeddings.weight",))
    yield from both("encoder.norm", f"{embeddings}.LayerNorm")
    for layer in range(architecture.layers):
        ours, theirs = f"encoder.layers.{layer}", f"bert.encoder.layer.{layer}"
        yield from both(f"{ours}.attention.project", *projections(f"{theirs}.attention.self"))
        yield from both(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        yield from both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        yield from both(f"{ours}.expand", f"{theirs}.intermediate.dense")
        yield from both(f"{ours}.contract", f"{theirs}.output.dense")
        yield from both(f"{ours}.feedforward_norm", f"{theirs}.output.LayerNorm")
    yield from both("encoder.final_norm", "bert.encoder.final_norm")
    yield from both("transform", f"{head}.transform.dense")
    yield from both("norm", f"{head}.transform.LayerNorm")
    yield Entry("bias", (f"{head}.bias",))


def common_settings(architecture: Architecture) -> dict[str, Any]:
    """Return the keys of ``config.json`` that the three share."""
    return {
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "intermediate_size": architecture.feedforward_width,
        "max_position_embeddings": architecture.context_length,
        "hidden_act": their_activation(architecture),
        "hidden_dropout_prob": architecture.dropout,
        "attention_probs_dropout_prob": architecture.dropout,
        "layer_norm_eps": architecture.norm_epsilon,
        "initializer_range": architecture.init_std,
        "type_vocab_size": 1,
        **SPECIAL_TOKENS,
    }


def common_shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an architecture that the same keys ask for."""
    return {
        "layers": config["num_hidden_layers"],
        "width": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "feedforward_width": config["intermediate_size"],
        "context_length": config["max_position_embeddings"],
        "activation": our_activation(config["hidden_act"]),
        "dropout": config["hidden_dropout_prob"],
        "norm_epsilon": config["layer_norm_eps"],
        "init_std": config.get("initializer_range", 0.02),
    }


def their_activation(architecture: Architecture) -> str:
    """Return the name of the activation in ``transformers``."""
    return _ACTIVATIONS[architecture.activation]


def our_activation(name: str) -> str:
    """Return our name of an activation of ``transformers``."""
    return "gelu" if name == "gelu" else "gelu_tanh"
