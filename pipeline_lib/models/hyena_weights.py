"""Weights of HyenaDNA: our names and those of the published checkpoints (Nguyen et al. 2023)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline_lib.config.hyena import EXTRA_TAPS, HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.hyena_names import (
    HEAD,
    TOKENS,
    published_buffers,
    published_copies,
    published_names,
)

_TOLERANCE = 1e-4
# Wrappers for gradient checkpointing put this word into the names of what they wrap.
_WRAPPED = re.compile(r"\.(mixer|mlp)\.layer\.")


@dataclass(frozen=True, slots=True)
class WeightReport:
    """What became of the names of a checkpoint.

    Attributes
    ----------
    used
        Names of which the weights are now in the model.
    ignored
        Copies and positions, found equal to ours, and names outside the model, such as metrics.
    missing
        Copies and positions that some checkpoints hold and this one does not. None is needed.
    """

    used: tuple[str, ...]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]


def published_architecture(state: Mapping[str, Any], **changes: Any) -> HyenaArchitecture:
    """Read the shape of a model from its published weights.

    Parameters
    ----------
    state
        Published names and weights, or a Lightning checkpoint that holds them.
    changes
        Settings that shapes do not tell: dropout, ``filter_shift``; ``filter_length`` where the
        checkpoint holds no positions.

    Raises
    ------
    InputError
        If a weight is missing that tells a size.
    """
    weights = _within(state).weights
    layers = {int(name.split(".")[2]) for name in weights if name.startswith("backbone.layers.")}
    first = "backbone.layers.0.mixer"
    implicit = f"{first}.filter_fn.implicit_filter"
    width = _shape(weights, TOKENS)[1]
    inner, features = _shape(weights, f"{implicit}.0.weight")
    shape: dict[str, Any] = {
        "layers": len(layers),
        "width": width,
        "feedforward_width": _shape(weights, "backbone.layers.0.mlp.fc1.weight")[0],
        "short_filter": _shape(weights, f"{first}.short_filter.weight")[2],
        "filter_width": inner,
        "filter_features": features,
        "filter_layers": sum(bool(re.fullmatch(rf"{implicit}\.\d+\.bias", n)) for n in weights),
    }
    if HEAD in weights and not torch.equal(weights[HEAD], weights[TOKENS]):
        shape["tied_output"] = False  # the published models are tied: both names, one matrix
    positions = f"{first}.filter_fn.pos_emb.z"
    if positions in weights:
        shape["filter_length"] = weights[positions].shape[1]
        shape["context_length"] = max(2, weights[positions].shape[1] - EXTRA_TAPS)
    return HyenaArchitecture(**{**shape, **changes})


def from_published(
    state: Mapping[str, Any], architecture: HyenaArchitecture
) -> tuple[dict[str, Tensor], WeightReport]:
    """Return published weights under our names.

    Parameters
    ----------
    state
        Published names and weights, with any prefix before ``backbone.``, or a Lightning
        checkpoint that holds them.
    architecture
        Shape of the model, for example by :func:`published_architecture`.

    Returns
    -------
    tuple
        The state of a :class:`HyenaLanguageModel`, and what became of each name.

    Raises
    ------
    InputError
        If a weight is missing or of another shape, has no place in the model, or if a copy or
        the positions differ from what the model would compute.
    """
    _causal(architecture)
    weights, found, outside = _within(state)
    shapes = _shapes(architecture, _shape(weights, TOKENS)[0])
    names = dict(published_names(architecture))
    _nothing_missing([theirs for theirs in names.values() if theirs not in weights])
    copies, buffers = published_copies(architecture), published_buffers(architecture)
    known = {*names.values(), *copies, *buffers}
    if strange := [name for name in weights if name not in known]:
        raise _mismatch(f"{_some(strange)} have no place in the model")
    result = {ours: _fitted(weights, theirs, shapes[ours]) for ours, theirs in names.items()}
    for copy, original in copies.items():
        if copy in weights and not torch.equal(weights[copy], weights[original]):
            raise _mismatch(f"{copy} differs from {original}, of which it should be a copy")
    for name, expected in buffers.items():
        if name in weights:
            _check_buffer(name, weights[name], expected)
    optional = [*copies, *buffers]
    report = WeightReport(
        used=tuple(found[name] for name in names.values()),
        ignored=(*(found[name] for name in optional if name in weights), *outside),
        missing=tuple(name for name in optional if name not in weights),
    )
    return result, report


def to_published(model: HyenaLanguageModel, prefix: str = "") -> dict[str, Tensor]:
    """Return the weights under the published names, with all copies, positions and rates.

    Parameters
    ----------
    prefix
        Put before every name: ``model.`` in Lightning checkpoints.

    Raises
    ------
    InputError
        If the model is bidirectional, for which there are no published names.
    """
    architecture = model.encoder.architecture
    _causal(architecture)
    state = model.state_dict()
    result = {theirs: state[ours] for ours, theirs in published_names(architecture)}
    for theirs in result:
        if theirs.endswith(".freq"):
            result[theirs] = result[theirs][None]
    result |= {copy: result[original] for copy, original in published_copies(architecture).items()}
    like = result[TOKENS]
    result |= {name: tensor.to(like) for name, tensor in published_buffers(architecture).items()}
    return {prefix + name: tensor.detach().clone() for name, tensor in result.items()}


def check_weights(weights: Mapping[str, Tensor], architecture: HyenaArchitecture) -> None:
    """Check weights under our names.

    Raises
    ------
    InputError
        If some are missing, have another shape, or have no place in the model.
    """
    table = next((name for name in weights if name.endswith("tokens.weight")), "")
    rows = len(weights[table]) if table else 1
    shapes = _shapes(architecture, rows)
    _nothing_missing([name for name in shapes if name not in weights])
    if strange := [name for name in weights if name not in shapes]:
        raise _mismatch(f"{_some(strange)} have no place in the model")
    for name, shape in shapes.items():
        _fitted(weights, name, shape)


def _check_buffer(name: str, found: Tensor, expected: Tensor) -> None:
    if found.shape != expected.shape:
        raise _mismatch(
            f"{name} has the shape {tuple(found.shape)} instead of {tuple(expected.shape)}",
            "set `filter_length` to the second number found" if "pos_emb" in name else None,
        )
    if not torch.allclose(found.double(), expected.to(found.device), atol=_TOLERANCE):
        raise _mismatch(f"{name} holds other numbers than the model computes")


class _Within(NamedTuple):
    """Weights without prefix, their names in the file, and the names of everything else."""

    weights: dict[str, Tensor]
    found: dict[str, str]
    outside: list[str]


def _within(state: Mapping[str, Any]) -> _Within:
    """Find the weights of the model in a file."""
    state = state.get("state_dict", state)
    roots = [name for name in state if name.endswith(TOKENS)]
    if len(roots) != 1:
        raise _mismatch(f"{len(roots)} names end in {TOKENS} instead of 1")
    prefix = roots[0].removesuffix(TOKENS)
    result = _Within({}, {}, [])
    for name, tensor in state.items():
        plain = _WRAPPED.sub(r".\1.", name.removeprefix(prefix))
        if name.startswith(prefix + "backbone."):
            result.weights[plain], result.found[plain] = tensor, name
        elif name in (HEAD, prefix + HEAD):
            result.weights[HEAD], result.found[HEAD] = tensor, name
        else:
            result.outside.append(name)
    return result


def _fitted(weights: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    tensor = weights[name]
    found = tensor.squeeze(0) if name.endswith(".freq") else tensor
    if found.shape != shape:
        raise _mismatch(f"{name} has the shape {tuple(found.shape)} instead of {tuple(shape)}")
    return found


def _shapes(architecture: HyenaArchitecture, vocab_size: int) -> dict[str, torch.Size]:
    with torch.device("meta"):
        model = HyenaLanguageModel(architecture, vocab_size, range(vocab_size))
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _shape(weights: Mapping[str, Tensor], name: str) -> torch.Size:
    _nothing_missing([] if name in weights else [name])
    return weights[name].shape


def _causal(architecture: HyenaArchitecture) -> None:
    if architecture.bidirectional:
        raise _mismatch("the model is bidirectional", "turn `bidirectional` off")


def _nothing_missing(names: list[str]) -> None:
    if names:
        raise _mismatch(f"{_some(names)} missing")


def _mismatch(problem: str, remedy: str | None = None) -> InputError:
    return InputError(
        f"weights do not fit: {problem}",
        expected="a causal HyenaDNA of order 2 and of the given shape",
        remedy=remedy or "give the config that belongs to the weights",
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
