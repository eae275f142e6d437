"""What decides about an output: checksums of models, inputs and of our own code."""

from pathlib import Path
from typing import Any

from pipeline_lib.code import code_fingerprint
from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "head.safetensors")
CODE = ("application", "evaluation", "finetuning", "models", "tokenizer")
LARGE = 256 << 20
"""Files of more bytes are told apart by size and time of change: checksums would take long."""


def model_identity(folder: Path) -> dict[str, str]:
    """Return the checksum of every file of a model folder that decides about its outputs.

    Raises
    ------
    InputError
        If it is no model folder.
    """
    folder = Path(folder)
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).exists():
            raise InputError(
                f"has no {name}",
                path=folder,
                expected="a model folder",
                remedy="give `results/pretraining/MODEL/model` or "
                "`results/finetuning/MODEL/TASK/RUN/model`",
            )
    return {name: checksum(folder / name) for name in MODEL_FILES if (folder / name).exists()}


def file_identity(path: Path) -> dict[str, Any]:
    """Return what tells the content of a file apart."""
    about = Path(path).stat()
    if about.st_size > LARGE:
        return {"bytes": about.st_size, "changed": about.st_mtime_ns}
    return {"bytes": about.st_size, "sha256": checksum(path)}


def code_identity() -> str:
    """Return a fingerprint of the code that applications run."""
    return code_fingerprint(*CODE)


def genome_file(genome: Path) -> Path:
    """Return the file that holds the sequence of a genome: FASTA, or that of a prepared one."""
    return genome / "genome.fa.gz" if genome.is_dir() else genome
