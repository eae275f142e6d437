"""Names of weights and settings: ours, and those of ``AlbertForMaskedLM`` in ``transformers``."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.names import (
    POST_NORM_ENCODER,
    USUAL,
    Entry,
    both,
    common_settings,
    common_shape,
    projections,
)


def _entries(architecture: Architecture) -> Iterator[Entry]:
    embeddings = "albert.embeddings"
    yield Entry("encoder.tokens.weight", (f"{embeddings}.word_embeddings.weight",))
    yield Entry("encoder.positions.weight", (f"{embeddings}.position_embeddings.weight",))
    yield from both("encoder.norm", f"{embeddings}.LayerNorm")
    yield from both("encoder.mapping", "albert.encoder.embedding_hidden_mapping_in")
    ours, theirs = "encoder.layers.0", "albert.encoder.albert_layer_groups.0.albert_layers.0"
    yield from both(f"{ours}.attention.project", *projections(f"{theirs}.attention"))
    yield from both(f"{ours}.attention.output", f"{theirs}.attention.dense")
    yield from both(f"{ours}.attention_norm", f"{theirs}.attention.LayerNorm")
    yield from both(f"{ours}.expand", f"{theirs}.ffn")
    yield from both(f"{ours}.contract", f"{theirs}.ffn_output")
    yield from both(f"{ours}.feedforward_norm", f"{theirs}.full_layer_layer_norm")
    yield from both("transform", "predictions.dense")
    yield from both("norm", "predictions.LayerNorm")
    yield Entry("bias", ("predictions.bias",))


def _settings(architecture: Architecture) -> dict[str, Any]:
    return {
        **common_settings(architecture),
        "embedding_size": architecture.embedding_width or architecture.width,
        "num_hidden_groups": 1,
        "inner_group_num": 1,
    }


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **common_shape(config),
        "family": "albert",
        "share_layers": True,
        "embedding_width": config["embedding_size"],
    }


ADAPTER = Adapter(
    class_name="AlbertForMaskedLM",
    model_type="albert",
    entries=_entries,
    settings=_settings,
    shape=_shape,
    needed={
        **POST_NORM_ENCODER,
        "attention": ["full"],
        "share_layers": [True],
        "embedding_width": range(1, 1_000_000),  # any, but one there must be
    },
    # Besides copies and buffers: the pooler, and the head for the order of sentences.
    ignored=r"predictions\.decoder\.(weight|bias)|albert\.embeddings\.position_ids"
    r"|albert\.pooler\.(weight|bias)|sop_classifier\..*",
    types="albert.embeddings.token_type_embeddings.weight",
    usual={
        **USUAL,
        "num_hidden_groups": [1],
        "inner_group_num": [1],
    },
)
