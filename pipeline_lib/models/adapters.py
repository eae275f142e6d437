"""Which adapter belongs to which model: to one of ours, or to a folder of ``transformers``."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models import albert, bert, bigbird, gena_lm, gpt2, hyena_adapter, modernbert
from pipeline_lib.models.adapter import Adapter, Loaded

ADAPTERS: dict[str, Adapter] = {
    "bert": bert.ADAPTER,
    "modernbert": modernbert.ADAPTER,
    "bigbird": bigbird.ADAPTER,
    "albert": albert.ADAPTER,
    "gpt2": gpt2.ADAPTER,
}
"""The class of ``transformers`` of each family."""

UNSUPPORTED = {
    "esm": "ESM, the class of Nucleotide Transformer",
    "bert_with_alibi": "a BERT with ALiBi, the class of DNABERT-2",
}
"""Known types of published DNA models that have no adapter here."""


def native_adapter(architecture: AnyArchitecture) -> Adapter | None:
    """Return the adapter to the class of ``transformers`` that can hold a model of this shape.

    None if there is none: the folder of the model then brings its own class along
    (:mod:`pipeline_lib.models.remote`).
    """
    if not isinstance(architecture, Architecture):
        return None
    adapter = ADAPTERS[architecture.family]
    return adapter if adapter.fits(architecture) else None


def adapter_of(architecture: Architecture) -> Adapter:
    """Return the adapter of an architecture's family, whether or not it fits."""
    return ADAPTERS[architecture.family]


def adapter_for(config: Mapping[str, Any]) -> Adapter:
    """Return the adapter that reads the folder with this ``config.json``.

    Raises
    ------
    InputError
        If the model is of a class that has no adapter.
    """
    kind = "bert_with_alibi" if "alibi_starting_size" in config else config.get("model_type")
    if kind == "bert" and gena_lm.describes(config):
        return gena_lm.ADAPTER
    for adapter in ADAPTERS.values():
        if adapter.model_type == kind:
            return adapter
    named = UNSUPPORTED.get(str(kind), f"a model of type {kind!r}")
    types = (
        *(adapter.model_type for adapter in ADAPTERS.values()),
        hyena_adapter.ADAPTER.model_type,
    )
    known = ", ".join(map(repr, types))
    raise InputError(
        named,
        path="config.json",
        expected=f"`model_type` {known}",
        remedy="give a model of one of these types",
    )


def read_published(
    config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[AnyArchitecture, Loaded]:
    """Return shape and weights of a model from its ``config.json`` and its file of weights.

    Raises
    ------
    InputError
        If the model is of a class not known here, or its weights do not fit.
    """
    if hyena_adapter.ADAPTER.knows(config):
        return hyena_adapter.ADAPTER.read_folder(config, state)
    adapter = adapter_for(config)
    architecture = adapter.architecture(config)
    return architecture, adapter.read(state, architecture)


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Return the shape of the model that a ``config.json`` of ``transformers`` describes.

    Raises
    ------
    InputError
        If it is of a class that has no adapter, or asks for what our model cannot be.
    """
    return adapter_for(config).architecture(config)
