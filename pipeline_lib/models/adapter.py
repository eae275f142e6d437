"""What the adapters to ``transformers`` have in common: tables of names, and their checks."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.names import Entry

TransformerModel = MaskedLanguageModel | CausalLanguageModel
_ABSENT: dict[str, Sequence[Any]] = {"tracks": [0], "embedding_kernels": [()], "memory": [None]}
"""Parts that no class of ``transformers`` has."""


class Report(NamedTuple):
    """What became of the weights of a file; all of them are named by ``transformers``."""

    used: list[str]
    ignored: list[str]
    missing: list[str]


class Loaded(NamedTuple):
    """Weights under our names, and what became of those given."""

    weights: dict[str, Tensor]
    report: Report


@dataclass(frozen=True)
class Adapter:
    """Names and settings of one class of ``transformers``.

    Attributes
    ----------
    class_name, model_type
        Of ``config.json``.
    entries
        Names of all weights of an architecture; those the model lacks are skipped.
    settings
        Further keys of ``config.json``.
    shape
        The settings of an architecture that a ``config.json`` asks for.
    needed
        Settings of an architecture without which the class cannot hold it.
    computes
        Tells whether it also computes the same.
    ignored
        Pattern of copies, buffers and heads that are not needed.
    types
        Name of the token type embeddings. Every token of ours has type 0: its vector is added
        to the positions.
    usual
        Values that keys of ``config.json`` must have, the default first.
    """

    class_name: str
    model_type: str
    entries: Callable[[Architecture], Iterable[Entry]]
    settings: Callable[[Architecture], dict[str, Any]]
    shape: Callable[[Mapping[str, Any]], dict[str, Any]]
    needed: Mapping[str, Sequence[Any]]
    ignored: str = "$^"
    types: str | None = None
    usual: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    computes: Callable[[Architecture], bool] = lambda architecture: True

    def fits(self, architecture: Architecture) -> bool:
        """Tell whether the class can hold a model of this shape."""
        needed = {**_ABSENT, **self.needed}
        holds = all(getattr(architecture, name) in values for name, values in needed.items())
        return holds and self.computes(architecture)

    def config(self, architecture: Architecture, vocab_size: int) -> dict[str, Any]:
        """Return the ``config.json`` by which ``transformers`` builds the same model."""
        return {
            "architectures": [self.class_name],
            "model_type": self.model_type,
            "vocab_size": vocab_size,
            **self.settings(architecture),
            "tie_word_embeddings": True,
        }

    def architecture(self, config: Mapping[str, Any]) -> Architecture:
        """Return the shape of the model that a ``config.json`` describes.

        Raises
        ------
        InputError
            If it asks for something that our model cannot be.
        """
        for name, values in {"model_type": [self.model_type], **self.usual}.items():
            if config.get(name, values[0]) not in values:
                raise InputError(
                    f"`{name}` is {config[name]!r}",
                    path="config.json",
                    expected=f"{' or '.join(map(repr, values))}",
                    remedy=f"give the folder of a usual {self.class_name}",
                )
        try:
            return Architecture(**self.shape(config))
        except (KeyError, ValidationError) as problem:
            raise InputError(
                f"config.json describes no {self.class_name}: {problem}",
                remedy="give a folder that `save_pretrained` wrote",
            ) from problem

    def export(self, model: TransformerModel) -> dict[str, Tensor]:
        """Return the weights under the names of ``transformers``; the shape must fit."""
        state = model.state_dict()
        result: dict[str, Tensor] = {}
        for entry in self._entries(model.encoder.architecture, state):
            whole = state.pop(entry.ours)
            whole = whole.T if entry.transposed else whole
            result.update(zip(entry.theirs, whole.chunk(len(entry.theirs)), strict=True))
        assert not state, f"weights without a place in {self.class_name}: {list(state)}"
        if self.types is not None:
            narrow = model.encoder.tokens.embedding_dim
            result[self.types] = torch.zeros(1, narrow, dtype=model.encoder.tokens.weight.dtype)
        return {name: tensor.detach().clone().contiguous() for name, tensor in result.items()}

    def read(self, state: Mapping[str, Tensor], architecture: Architecture) -> Loaded:
        """Return weights saved by ``transformers`` under our names.

        Raises
        ------
        InputError
            If weights are missing, have another shape, or have no place in the model.
        """
        expected = self._expected(state, architecture)
        entries = list(self._entries(architecture, expected))
        used = [name for entry in entries for name in entry.theirs]
        ignored = [name for name in state if re.fullmatch(self.ignored, name)]
        types = state.get(self.types) if self.types else None
        missing = [name for name in used if name not in state]
        homeless = sorted(set(state) - {*used, *ignored, self.types})
        if missing or homeless:
            raise InputError(
                f"weights do not fit: missing {_some(missing)}; without a place {_some(homeless)}",
                expected=f"a {self.class_name} of {architecture.layers} layers",
                remedy=f"give a folder saved by {self.class_name} with its config.json",
            )
        weights = {entry.ours: _joined(entry, state, expected[entry.ours]) for entry in entries}
        if types is not None:
            # Rotary positions are no vectors: there, it is added to all tokens. As a token is
            # also what the output compares with, this adds the same to the scores of all tokens.
            learned = "encoder.positions.weight" in weights
            weights[f"encoder.{'positions' if learned else 'tokens'}.weight"] += types[0]
            used.append(str(self.types))
        return Loaded(weights, Report(used, ignored, missing))

    def _entries(self, architecture: Architecture, ours: Mapping[str, Tensor]) -> list[Entry]:
        return [entry for entry in self.entries(architecture) if entry.ours in ours]

    def _expected(
        self, state: Mapping[str, Tensor], architecture: Architecture
    ) -> dict[str, Tensor]:
        """Return our weights, without values, for the vocabulary of the file."""
        table = next(e for e in self.entries(architecture) if e.ours == "encoder.tokens.weight")
        rows = len(state[table.theirs[0]]) if table.theirs[0] in state else 1
        with torch.device("meta"):
            return build_model(architecture, rows).state_dict()


def _joined(entry: Entry, state: Mapping[str, Tensor], expected: Tensor) -> Tensor:
    """Return one weight of ours, made of one or several of theirs."""
    like = expected.T if entry.transposed else expected
    shape = (like.shape[0] // len(entry.theirs), *like.shape[1:])
    for name in entry.theirs:
        if state[name].shape != shape:
            raise InputError(
                f"the weight {name} has shape {tuple(state[name].shape)}",
                expected=f"{shape}, by config.json",
                remedy="give weights and config.json of the same model",
            )
    whole = torch.cat([state[name] for name in entry.theirs])
    return whole.T.contiguous() if entry.transposed else whole


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3]) or "none"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
