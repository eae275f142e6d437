"""Model folders: what ``from_pretrained`` expects, and what a person wants to know."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from pipeline_lib import __version__
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, read_json
from pipeline_lib.models.adapters import adapter_of, read_architecture
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.tokenizer.encode import write_tokenizer_files


def save_model(
    directory: Path,
    model: LanguageModel,
    architecture: Architecture,
    tokenizer: Path,
    *,
    card: str,
) -> None:
    """Write a folder that ``transformers`` and :func:`load_model` read.

    Parameters
    ----------
    directory
        Folder to write; it appears when all of it is written.
    tokenizer
        ``tokenizer.json``.
    card
        Text of the model card, Markdown.
    """
    adapter = adapter_of(architecture)
    config = adapter.config(architecture, model.encoder.vocab_size)
    config["dnalm"] = {"version": __version__, "architecture": architecture.model_dump(mode="json")}
    with atomic_directory(directory) as temporary:
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = temporary / "model.safetensors"
        save_file(adapter.export(model), weights, {"format": "pt"})
        weights.chmod(0o644)  # the library writes it for its owner alone
        write_tokenizer_files(tokenizer, temporary, context_length=architecture.context_length)
        (temporary / "README.md").write_text(card)


def load_model(directory: Path) -> tuple[MaskedLanguageModel, Architecture]:
    """Load a model of masked tokens from a folder of ours, or of a class of ``transformers``.

    Raises
    ------
    InputError
        If the folder is not such a model, or its weights do not fit its configuration.
    """
    model, architecture = load_language_model(directory)
    if not isinstance(model, MaskedLanguageModel):
        raise InputError(
            "a model of the next token",
            path=directory,
            expected="a model of masked tokens",
            remedy="give a folder whose `attention` is not `causal`",
        )
    return model, architecture


def load_language_model(directory: Path) -> tuple[LanguageModel, Architecture]:
    """Load a model of masked tokens or of the next token; otherwise as :func:`load_model`."""
    directory = Path(directory)
    for name in ("config.json", "model.safetensors"):
        if not (directory / name).exists():
            raise InputError(
                f"{name} is missing",
                path=directory,
                expected="a model folder with config.json and model.safetensors",
                remedy="give the folder `results/pretraining/MODEL/model`",
            )
    config: dict[str, Any] = read_json(directory / "config.json")
    architecture = (
        Architecture(**config["dnalm"]["architecture"])
        if "dnalm" in config
        else read_architecture(config)
    )
    model = build_model(architecture, config["vocab_size"])
    state = load_file(directory / "model.safetensors")
    model.load_state_dict(adapter_of(architecture).read(state, architecture).weights)
    return model, architecture


def copy_model(source: Path, destination: Path) -> None:
    """Copy a model folder."""
    with atomic_directory(destination) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
