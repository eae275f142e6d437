"""Published GENA-LM models of BERT's type (Fishman et al. 2025), with settings that BERT lacks.

Norms first, rotary positions and DeepSpeed's sparse attention. Which random blocks a token sees
is drawn here once more: DeepSpeed's lots depended on the state of the process that trained.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.names import (
    THEIR_ACTIVATIONS,
    Entry,
    bert_entries,
    both,
    common_settings,
    common_shape,
)

_NORMS_FIRST = {
    "attention.output.LayerNorm": "pre_attention_ln",
    "output.LayerNorm": "post_attention_ln",
}


def describes(config: Mapping[str, Any]) -> bool:
    """Tell whether a ``config.json`` of type BERT has settings that only GENA-LM knows."""
    return (
        bool(config.get("pre_layer_norm") or config.get("sparse_attention"))
        or config.get("position_embedding_type") == "rotary"
    )


def _entries(architecture: Architecture) -> Iterator[Entry]:
    for entry in bert_entries(architecture):
        if not entry.ours.startswith("encoder.final_norm"):
            yield _renamed(entry) if architecture.norm == "pre" else entry
    yield from both("encoder.final_norm", "bert.encoder.last_layer_ln")


def _renamed(entry: Entry) -> Entry:
    """Return the entry of a norm under the name it has where norms come first."""
    layer, _, kind = entry.theirs[0].rpartition(".")
    for usual, first in _NORMS_FIRST.items():
        if layer.startswith("bert.encoder.layer") and layer.endswith(f".{usual}"):
            return entry._replace(theirs=(f"{layer.removesuffix(usual)}{first}.{kind}",))
    return entry


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    first = config.get("pre_layer_norm", False)
    shape = {
        **common_shape(config),
        "norm": "pre" if first else "post",
        "final_norm": config.get("last_layer_norm", first),
        "scaled_init": first,
    }
    if config.get("position_embedding_type") == "rotary":
        shape["positions"] = "rotary"
        shape["rotary_theta"] = config.get("rotary_base", 10_000)
        shape["rotary_width"] = config.get("rotary_dim")
    sparse = config.get("sparse_attention")
    if sparse:
        shape |= {
            "family": "bigbird",
            "attention": "sparse",
            "block_size": sparse["block"],
            "window_blocks": sparse["num_sliding_window_blocks"],
            "global_blocks": sparse["num_global_blocks"],
            "global_place": "start",
            "random_blocks": sparse["num_random_blocks"],
            "random_layout": "per-head" if sparse["different_layout_per_head"] else "shared",
        }
    return shape


ADAPTER = Adapter(
    class_name="BertForMaskedLM",
    model_type="bert",
    entries=_entries,
    settings=common_settings,
    shape=_shape,
    needed={"family": []},  # for reading alone: the class is none of `transformers`
    # Besides copies and buffers: what is no part of the prediction of tokens, and the layouts.
    ignored=r"cls\.predictions\.decoder\.(weight|bias)|bert\.embeddings\.position_ids"
    r"|bert\.pooler\.dense\.(weight|bias)|cls\.seq_relationship\.(weight|bias)"
    r"|.*\.rotary_emb\.inv_freq|.*\.sparse_self_attention\..*",
    types="bert.embeddings.token_type_embeddings.weight",
    usual={
        "hidden_act": THEIR_ACTIVATIONS,
        "position_embedding_type": ["absolute", "rotary"],
        "is_decoder": [False],
    },
)
