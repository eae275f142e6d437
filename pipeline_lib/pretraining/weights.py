"""Files of weights, as ``transformers`` writes them and wrote them."""

import json
import pickle
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline_lib.errors import InputError

FILES = ("model.safetensors", "pytorch_model.bin")
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
"""Of norms, in checkpoints converted from TensorFlow."""


def read_weights(directory: Path) -> dict[str, Tensor]:
    """Return the weights of a model folder: of one file, or of the parts that an index lists.

    Files of the old format are read without running any code of theirs.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged.
    """
    for file in FILES:
        parts = _parts(directory, file)
        if parts:
            state: dict[str, Tensor] = {}
            for part in parts:
                state |= _read(part)
            return {_modern(name): tensor for name, tensor in state.items()}
    raise InputError(
        f"{FILES[0]} is missing",
        path=directory,
        expected=f"a model folder with config.json and {' or '.join(FILES)}, whole or in parts",
        remedy="give a folder that `save_pretrained` or a training wrote",
    )


def _parts(directory: Path, file: str) -> list[Path]:
    index = directory / f"{file}.index.json"
    if (directory / file).exists():
        return [directory / file]
    if not index.exists():
        return []
    return [
        directory / name
        for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))
    ]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    except (OSError, SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"cannot be read as weights ({error})",
            path=path,
            remedy="copy or download the file again",
        ) from error


def _modern(name: str) -> str:
    return re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{_OLD_NAMES[m[1]]}", name)
