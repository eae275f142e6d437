"""Model folders: what ``from_pretrained`` expects, and what a person wants to know."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save_file
from torch import Tensor

from pipeline_lib import __version__
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture, parse_architecture
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, read_json
from pipeline_lib.models.adapters import native_adapter, read_published
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.hyena_language import BothStrands, HyenaLanguageModel
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.remote import (
    MODEL_TYPE,
    own_weights,
    remote_code,
    remote_config,
    remote_weights,
)
from pipeline_lib.pretraining.weights import read_weights
from pipeline_lib.tokenizer.encode import write_tokenizer_files
from pipeline_lib.tokenizer.vocabulary import read_vocabulary


class Content(NamedTuple):
    """What a model folder holds besides tokenizer and card."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    code: dict[str, str]


def save_model(
    directory: Path,
    model: LanguageModel,
    architecture: AnyArchitecture,
    tokenizer: Path,
    *,
    card: str,
) -> None:
    """Write a folder that ``transformers`` and :func:`load_language_model` read.

    A shape for which ``transformers`` has a class is saved as that class. Any other brings its
    class along, and is loaded with ``trust_remote_code=True``.

    Parameters
    ----------
    directory
        Folder to write; it appears when all of it is written.
    tokenizer
        ``tokenizer.json``.
    card
        Text of the model card, Markdown.
    """
    content = _content(model, architecture)
    vocabulary = read_vocabulary(tokenizer)
    content.config.update(
        unk_token_id=vocabulary.unk,
        cls_token_id=vocabulary.cls,
        sep_token_id=vocabulary.sep,
        pad_token_id=vocabulary.pad,
        mask_token_id=vocabulary.mask,
    )
    content.config["dnalm"] = _own_config(model, architecture)
    with atomic_directory(directory) as temporary:
        (temporary / "config.json").write_text(json.dumps(content.config, indent=2) + "\n")
        weights = temporary / "model.safetensors"
        save_file(content.weights, weights, {"format": "pt"})
        weights.chmod(0o644)  # the library writes it for its owner alone
        for name, code in content.code.items():
            (temporary / name).write_text(code)
        write_tokenizer_files(tokenizer, temporary, context_length=architecture.input_length)
        (temporary / "README.md").write_text(card)


def how_to_load(architecture: AnyArchitecture) -> str:
    """Return a few lines of Markdown on how ``transformers`` loads the folder of a model."""
    native = native_adapter(architecture) is not None
    kind = "AutoModelForCausalLM" if _is_causal(architecture) else "AutoModelForMaskedLM"
    more = "" if native else ", trust_remote_code=True"
    text = (
        "```python\n"
        f"from transformers import {kind}, AutoTokenizer\n\n"
        f'model = {kind}.from_pretrained("path/to/this/folder"{more})\n'
        'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")\n'
        "```"
    )
    if native:
        return text
    return (
        f"{text}\n\n`transformers` has no class for a model of this shape: the folder holds it in\n"
        "`modeling_dnalm.py`, which needs `torch` and `transformers` alone."
    )


def load_model(directory: Path) -> tuple[MaskedLanguageModel, Architecture]:
    """Load a Transformer of masked tokens from a folder of ours, or of ``transformers``.

    Raises
    ------
    InputError
        If the folder is not such a model, or its weights do not fit its configuration.
    """
    model, architecture = load_language_model(directory)
    if not isinstance(model, MaskedLanguageModel) or not isinstance(architecture, Architecture):
        raise InputError(
            "a model of the next token" if model.causal else "a HyenaDNA of masked tokens",
            path=directory,
            expected="a Transformer of masked tokens",
            remedy="give a folder whose `attention` is not `causal`",
        )
    return model, architecture


def load_language_model(directory: Path) -> tuple[LanguageModel, AnyArchitecture]:
    """Load a model of any family from a folder of ours, or of a class of ``transformers``.

    Raises
    ------
    InputError
        If the folder is not a model, or its weights do not fit its configuration.
    """
    directory = Path(directory)
    if not (directory / "config.json").exists():
        raise InputError(
            "config.json is missing",
            path=directory,
            expected="a model folder with config.json and model.safetensors",
            remedy="give the folder `results/pretraining/MODEL/model`",
        )
    config: dict[str, Any] = read_json(directory / "config.json")
    state = read_weights(directory)
    own = config.get("dnalm", {})
    architecture: AnyArchitecture
    if not own:
        architecture, (weights, _) = read_published(config, state)
    else:
        architecture = parse_architecture(own["architecture"])
        adapter = native_adapter(architecture)
        if config.get("model_type") == MODEL_TYPE or adapter is None:
            weights = own_weights(state)
        else:
            assert isinstance(architecture, Architecture)
            weights = adapter.read(state, architecture).weights
    _check_vocabulary(directory / "tokenizer.json", int(config["vocab_size"]))
    model = build_model(architecture, config["vocab_size"], own.get("complements"))
    return fill(model, weights, directory), architecture


def _check_vocabulary(tokenizer: Path, rows: int) -> None:
    """Refuse a tokenizer, if there is one, with more tokens than the model has vectors."""
    if not tokenizer.exists():
        return
    tokens = len(read_vocabulary(tokenizer))
    if tokens > rows:
        raise InputError(
            f"the tokenizer has {tokens:,} tokens, the model vectors for {rows:,}",
            path=tokenizer,
            expected="the tokenizer that the model was trained with",
            remedy="put that tokenizer's file in its place, or train the model again",
        )


def fill(model: LanguageModel, weights: dict[str, Tensor], directory: Path) -> LanguageModel:
    """Put weights into a model.

    Raises
    ------
    InputError
        If they are those of another.
    """
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            shapes = [str(tuple(s[name])) if name in s else "none" for s in (found, expected)]
            raise InputError(
                f"weights do not fit: the shape of {name} is {shapes[0]}",
                path=directory,
                expected=f"{shapes[1]}, by config.json",
                remedy="give weights and config.json of the same model",
            )
    model.load_state_dict(weights)
    return model


def copy_model(source: Path, destination: Path) -> None:
    """Copy a model folder."""
    with atomic_directory(destination) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)


def _content(model: LanguageModel, architecture: AnyArchitecture) -> Content:
    adapter = native_adapter(architecture)
    if adapter is None or isinstance(model, HyenaLanguageModel):
        return Content(
            remote_config(model, architecture), remote_weights(model), remote_code(model)
        )
    assert isinstance(architecture, Architecture)
    config = adapter.config(architecture, model.encoder.vocab_size)
    return Content(config, adapter.export(model), {})


def _own_config(model: LanguageModel, architecture: AnyArchitecture) -> dict[str, Any]:
    own = {"version": __version__, "architecture": architecture.model_dump(mode="json")}
    if isinstance(model.encoder, BothStrands):
        own["complements"] = model.encoder.complements.tolist()
    return own


def _is_causal(architecture: AnyArchitecture) -> bool:
    if isinstance(architecture, Architecture):
        return architecture.attention == "causal"
    return not architecture.bidirectional
