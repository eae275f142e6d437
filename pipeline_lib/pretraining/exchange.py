"""Models of others made ours, and ours made theirs: ``dnalm import`` and ``dnalm export``."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.models.adapter import Report
from pipeline_lib.models.adapters import native_adapter, read_published
from pipeline_lib.models.build import build_model
from pipeline_lib.models.remote import MODEL_TYPE
from pipeline_lib.pretraining.folder import fill, how_to_load, load_language_model, save_model
from pipeline_lib.pretraining.weights import read_weights
from pipeline_lib.tokenizer.vocabulary import read_vocabulary


class Imported(NamedTuple):
    """What became of a foreign model.

    Attributes
    ----------
    architecture
        Shape of the model.
    report
        What became of each of its weights.
    notes
        What a user should know besides, a sentence each.
    """

    architecture: AnyArchitecture
    report: Report
    notes: list[str]


def import_model(source: Path, destination: Path, tokenizer: Path | None = None) -> Imported:
    """Write a folder of ours from one of ``transformers``.

    Parameters
    ----------
    source
        Folder with ``config.json`` and weights: ``model.safetensors`` or ``pytorch_model.bin``,
        whole or in parts.
    destination
        Folder to write.
    tokenizer
        ``tokenizer.json``; by default the one in ``source``.

    Raises
    ------
    InputError
        If the class of the model is not known here, if weights are missing or have no place, or
        if the tokenizer does not belong to the model.
    """
    config = _config(source)
    tokenizer = _tokenizer(source, tokenizer)
    architecture, loaded = read_published(config, read_weights(source))
    rows = len(loaded.weights["encoder.tokens.weight"])
    notes = _notes(config, tokenizer, rows)
    model = fill(build_model(architecture, rows), loaded.weights, source)
    kind = (config.get("architectures") or [config.get("model_type", "HyenaDNA")])[0]
    card = (
        f"# {source.resolve().name}\n\nImported from a folder of "
        f"`{kind}`.\n\n{how_to_load(architecture)}\n"
    )
    save_model(destination, model, architecture, tokenizer, card=card)
    return Imported(architecture, loaded.report, notes)


def export_model(source: Path, destination: Path) -> str:
    """Write a folder for ``transformers`` from one of ours; return how to load it, Markdown.

    The class is one of ``transformers`` if it computes the same. Otherwise the folder brings its
    class along.

    Raises
    ------
    InputError
        If ``source`` is not a folder of ours.
    """
    tokenizer = _tokenizer(source, None)
    model, architecture = load_language_model(source)
    text = how_to_load(architecture)
    save_model(destination, model, architecture, tokenizer, card=f"# {source.name}\n\n{text}\n")
    card = source / "README.md"
    if card.exists() and native_adapter(architecture) is not None:
        shutil.copyfile(card, destination / "README.md")
    return text


def _config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    if not path.exists():
        raise InputError(
            "config.json is missing",
            path=source,
            expected="a folder that `save_pretrained` wrote, or that was downloaded whole",
            remedy="give the folder that holds config.json and the weights",
        )
    config: dict[str, Any] = read_json(path)
    if config.get("model_type") == MODEL_TYPE:
        raise InputError(
            "the folder is one of ours already",
            path=source,
            remedy="use it as it is",
        )
    return config


def _tokenizer(source: Path, tokenizer: Path | None) -> Path:
    path = tokenizer or source / "tokenizer.json"
    if not path.exists():
        raise InputError(
            "there is no tokenizer" if tokenizer is None else "there is no such file",
            path=path,
            expected="a tokenizer.json",
            remedy="give the tokenizer of the model with `--tokenizer FILE`",
        )
    return path


def _notes(config: dict[str, Any], tokenizer: Path, rows: int) -> list[str]:
    """Compare model and tokenizer."""
    vocabulary = read_vocabulary(tokenizer)
    if len(vocabulary) > rows:
        raise InputError(
            f"the tokenizer has {len(vocabulary):,} tokens, the model {rows:,}",
            path=tokenizer,
            expected="no more tokens than the model has vectors",
            remedy="give the tokenizer that the model was trained with, by `--tokenizer FILE`",
        )
    notes = []
    if len(vocabulary) < rows:
        notes.append(
            f"the model has {rows:,} token vectors, the tokenizer {len(vocabulary):,} tokens: "
            f"the last {rows - len(vocabulary):,} vectors stand for none"
        )
    for key, number in (("pad_token_id", vocabulary.pad), ("sep_token_id", vocabulary.sep)):
        if config.get(key, number) not in (number, None):
            notes.append(
                f"`{key}` was {config[key]}, though {vocabulary.words[number]} is token {number} "
                "of the tokenizer, whose number is used"
            )
    return notes
