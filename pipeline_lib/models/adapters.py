"""Which adapter belongs to which family of models."""

from collections.abc import Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models import albert, bert, bigbird, gpt2, modernbert
from pipeline_lib.models.adapter import Adapter

ADAPTERS: dict[str, Adapter] = {
    "bert": bert.ADAPTER,
    "modernbert": modernbert.ADAPTER,
    "bigbird": bigbird.ADAPTER,
    "albert": albert.ADAPTER,
    "gpt2": gpt2.ADAPTER,
}


def adapter_of(architecture: Architecture) -> Adapter:
    """Return the adapter of an architecture's family."""
    return ADAPTERS[architecture.family]


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Return the shape of the model that a ``config.json`` of ``transformers`` describes.

    Raises
    ------
    InputError
        If it is of a class that has no adapter, or asks for what our model cannot be.
    """
    for adapter in ADAPTERS.values():
        if adapter.model_type == config.get("model_type"):
            return adapter.architecture(config)
    raise InputError(
        f"a model of type {config.get('model_type')!r}",
        path="config.json",
        expected=", ".join(repr(adapter.model_type) for adapter in ADAPTERS.values()),
        remedy="give a model of one of these types",
    )
