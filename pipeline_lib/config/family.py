"""Every family of models has settings of its own; `family` says which."""

from collections.abc import Mapping
from typing import Any

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.hyena import HyenaArchitecture

AnyArchitecture = Architecture | HyenaArchitecture
"""Shape of a model: of a Transformer or of a stack of Hyena operators."""


def architecture_class(values: Mapping[str, Any]) -> type[Architecture] | type[HyenaArchitecture]:
    """Return the class whose settings these are: that of their `family`."""
    return HyenaArchitecture if values.get("family") == "hyena" else Architecture


def parse_architecture(values: Mapping[str, Any]) -> AnyArchitecture:
    """Return the shape of a model from its settings."""
    return architecture_class(values)(**values)
