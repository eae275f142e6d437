"""Names of weights and settings: ours, and those of ``BigBirdForMaskedLM`` in ``transformers``.

Outside training, ``transformers`` draws no random blocks but takes the first block as often
(`random_layout: first`), and its pattern counts the padding of a batch; ours does not.
"""

from collections.abc import Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.names import (
    POST_NORM_ENCODER,
    USUAL,
    bert_entries,
    common_settings,
    common_shape,
)


def _settings(architecture: Architecture) -> dict[str, Any]:
    sparse = architecture.attention == "sparse"
    return {
        **common_settings(architecture),
        "attention_type": "block_sparse" if sparse else "original_full",
        "block_size": architecture.block_size,
        "num_random_blocks": architecture.random_blocks,
        "use_bias": True,
        "rescale_embeddings": False,
    }


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **common_shape(config),
        "family": "bigbird",
        "attention": "sparse" if config["attention_type"] == "block_sparse" else "full",
        "block_size": config["block_size"],
        "random_blocks": config["num_random_blocks"],
        "random_layout": "first",
    }


def _same_blocks(architecture: Architecture) -> bool:
    """Tell whether `transformers` would see the same blocks; its own lots cannot be set."""
    lots = architecture.random_blocks and architecture.random_layout != "first"
    return architecture.attention == "full" or not lots


ADAPTER = Adapter(
    class_name="BigBirdForMaskedLM",
    model_type="big_bird",
    entries=bert_entries,
    settings=_settings,
    shape=_shape,
    needed={
        **POST_NORM_ENCODER,
        "attention": ["full", "sparse"],
        "window_blocks": [3],
        "global_blocks": [2],
        "global_place": ["ends"],
        "share_layers": [False],
        "embedding_width": [None],
    },
    # Besides copies and buffers: the pooler, which is no part of the prediction of tokens.
    ignored=r"cls\.predictions\.decoder\.(weight|bias)|bert\.embeddings\.position_ids"
    r"|bert\.pooler\.(weight|bias)",
    types="bert.embeddings.token_type_embeddings.weight",
    computes=_same_blocks,
    usual={
        **USUAL,
        "use_bias": [True],
        "rescale_embeddings": [False],
    },
)
