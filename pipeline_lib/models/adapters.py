"""Which adapter belongs to which model: to one of ours, or to a folder of ``transformers``."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import EXTRA_TAPS, HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models import albert, bert, bigbird, gena_lm, gpt2, modernbert
from pipeline_lib.models.adapter import Adapter, Loaded, Report
from pipeline_lib.models.hyena_weights import from_published, published_architecture

ADAPTERS: dict[str, Adapter] = {
    "bert": bert.ADAPTER,
    "modernbert": modernbert.ADAPTER,
    "bigbird": bigbird.ADAPTER,
    "albert": albert.ADAPTER,
    "gpt2": gpt2.ADAPTER,
}
"""The class of ``transformers`` of each family."""

_HYENA = "hyenadna"
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
    known = ", ".join(repr(name) for name in (*(a.model_type for a in ADAPTERS.values()), _HYENA))
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
    if config.get("model_type") == _HYENA:
        return _read_hyena(config, state)
    adapter = adapter_for(config)
    architecture = adapter.architecture(config)
    return architecture, adapter.read(state, architecture)


def _read_hyena(
    config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[HyenaArchitecture, Loaded]:
    changes: dict[str, Any] = {}
    if "l_max" in config:
        taps = config["l_max"]
        changes = {"filter_length": taps, "context_length": max(2, taps - EXTRA_TAPS)}
    if "embed_dropout" in config:
        changes["embedding_dropout"] = config["embed_dropout"]
    architecture = published_architecture(state, **changes)
    weights, report = from_published(state, architecture)
    return architecture, Loaded(
        weights, Report(list(report.used), list(report.ignored), list(report.missing))
    )


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Return the shape of the model that a ``config.json`` of ``transformers`` describes.

    Raises
    ------
    InputError
        If it is of a class that has no adapter, or asks for what our model cannot be.
    """
    return adapter_for(config).architecture(config)
