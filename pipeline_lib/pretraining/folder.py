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
from pipeline_lib.models.bert import from_transformers, to_transformers, transformers_config
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.tokenizer.encode import write_tokenizer_files


def save_model(
    directory: Path,
    model: MaskedLanguageModel,
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
    config = transformers_config(architecture, model.encoder.vocab_size)
    config["dnalm"] = {"version": __version__, "architecture": architecture.model_dump(mode="json")}
    with atomic_directory(directory) as temporary:
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        weights = temporary / "model.safetensors"
        save_file(to_transformers(model), weights, {"format": "pt"})
        weights.chmod(0o644)  # the library writes it for its owner alone
        write_tokenizer_files(tokenizer, temporary, context_length=architecture.context_length)
        (temporary / "README.md").write_text(card)


def load_model(directory: Path) -> tuple[MaskedLanguageModel, Architecture]:
    """Load a model folder of ours, or of ``BertForMaskedLM``.

    Raises
    ------
    InputError
        If the folder is not a model, or its weights do not fit its configuration.
    """
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
    architecture = _architecture(config, directory)
    model = MaskedLanguageModel(architecture, config["vocab_size"])
    state = from_transformers(load_file(directory / "model.safetensors"), architecture)
    model.load_state_dict(state)
    return model, architecture


def copy_model(source: Path, destination: Path) -> None:
    """Copy a model folder."""
    with atomic_directory(destination) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)


def _architecture(config: dict[str, Any], directory: Path) -> Architecture:
    if "dnalm" in config:
        return Architecture(**config["dnalm"]["architecture"])
    if config.get("model_type") != "bert" or config.get("hidden_act") != "gelu":
        raise InputError(
            f"a model of type {config.get('model_type')!r} with {config.get('hidden_act')!r}",
            path=directory / "config.json",
            expected="model_type 'bert' with hidden_act 'gelu'",
            remedy="give a BERT for masked tokens",
        )
    return Architecture(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        feedforward_width=config["intermediate_size"],
        context_length=config["max_position_embeddings"],
        dropout=config["hidden_dropout_prob"],
        norm_epsilon=config["layer_norm_eps"],
        init_std=config.get("initializer_range", 0.02),
    )
