"""Models that fit into no class of ``transformers``: folders that bring their own class along.

``config.json`` names it (``auto_map``), and ``from_pretrained(..., trust_remote_code=True)`` loads
it from two files beside the weights. They hold the source code of this package that the model
needs, and import ``torch`` and ``transformers`` alone.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pipeline_lib import __version__
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.bundle import BASE, Place, bundle

MODEL_TYPE = "dnalm"
_PREFIX = "model."
_WRAPPER, _CONFIG = "pipeline_lib.models.wrapper", "pipeline_lib.models.wrapper_config"
_GIVEN = (
    Place("pipeline_lib.errors", "InputError"),
    Place("pipeline_lib.config.base", "Section"),
    Place(_CONFIG, "DnalmConfig"),
)
_HEADER = f'''"""{{title}}

Made by dnalm {__version__} from its own source code; needs torch and transformers alone.
"""

from __future__ import annotations

'''
_IMPORTS = """from types import SimpleNamespace

from .configuration_dnalm import DnalmConfig
"""
_STAND_INS = f'''class InputError(ValueError):
    """An input that the model cannot read."""

    def __init__(self, problem, *, path=None, where=None, expected=None, remedy=""):
        super().__init__(f"{{problem}}; expected {{expected}}. To fix: {{remedy}}.")


class {BASE}(SimpleNamespace):
    """Settings of a model: keys of a mapping as attributes."""

    sections = {{}}

    def __init__(self, **values):
        for key, kind in self.sections.items():
            if isinstance(values.get(key), dict):
                values[key] = kind(**values[key])
        values = {{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}}
        super().__init__(**values)

'''


def remote_config(model: LanguageModel, architecture: AnyArchitecture) -> dict[str, Any]:
    """Return the keys of ``config.json`` for a model of any shape, but for ``dnalm``."""
    head, kind = _head(model)
    code = "modeling_dnalm"
    return {
        "architectures": [head],
        "model_type": MODEL_TYPE,
        "auto_map": {
            "AutoConfig": "configuration_dnalm.DnalmConfig",
            "AutoModel": f"{code}.DnalmModel",
            kind: f"{code}.{head}",
        },
        "vocab_size": model.encoder.vocab_size,
        "hidden_size": model.encoder.width,
        "num_hidden_layers": architecture.layers,
        "max_position_embeddings": architecture.input_length,
        "initializer_range": architecture.init_std,
        "tie_word_embeddings": False,  # the model does it by itself
    }


def remote_code(model: LanguageModel) -> dict[str, str]:
    """Return the names and texts of the files with the class of a model."""
    replaced = {
        Place(_WRAPPER, "Network"): _place(type(model)),
        Place(_WRAPPER, "Shape"): _place(type(model.encoder.architecture)),
    }
    modeling = bundle(
        [Place(_WRAPPER, _head(model)[0]), Place(_WRAPPER, "DnalmModel")],
        replaced=replaced,
        given=_GIVEN,
        header=_HEADER.format(title="A DNA language model for transformers.") + _IMPORTS,
        stand_ins=_STAND_INS,
    )
    configuration = bundle(
        [Place(_CONFIG, "DnalmConfig")],
        header=_HEADER.format(title="Settings of a DNA language model for transformers."),
    )
    return {"modeling_dnalm.py": modeling, "configuration_dnalm.py": configuration}


def remote_weights(model: LanguageModel) -> dict[str, Tensor]:
    """Return the weights under the names of the class in the folder."""
    return {_PREFIX + name: weight.detach().clone() for name, weight in model.state_dict().items()}


def own_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of such a folder under our names."""
    return {name.removeprefix(_PREFIX): weight for name, weight in state.items()}


def _place(kind: type) -> Place:
    return Place(kind.__module__, kind.__name__)


def _head(model: LanguageModel) -> tuple[str, str]:
    """Return the names of the class and of the ``Auto`` class that finds it."""
    if model.causal:
        return "DnalmForCausalLM", "AutoModelForCausalLM"
    return "DnalmForMaskedLM", "AutoModelForMaskedLM"
