"""What a model is made of: all that decides what is learnt, and nothing about where it is."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.config import launching
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.files import checksum, read_json

# Settings that change what is written, or how it is carried out, not what is learnt.
WITHOUT_EFFECT = {
    "log_every", "checkpoint_every", "keep_checkpoints", "trackers", "accumulation",
    *launching.WITHOUT_EFFECT,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What a model is made of.

    Attributes
    ----------
    name
        Name of the model.
    settings
        Objective, optimizer, schedule.
    architecture
        Shape of the model.
    train
        Folders of shards, in the order of ``settings.sources``.
    valid
        Folder of held-out shards.
    tokenizer
        ``tokenizer.json`` that the shards were written with.
    seed
        Seed of weights, order of samples, masks and dropout.
    """

    name: str
    settings: Model
    architecture: AnyArchitecture
    train: tuple[Path, ...]
    valid: Path
    tokenizer: Path
    seed: int

    def inputs(self) -> dict[str, str | Path]:
        """Return the files that stand for what was read, by what they are."""
        train = {f"train {k}": shards / "manifest.json" for k, shards in enumerate(self.train)}
        return {**train, "valid": self.valid / "manifest.json", "tokenizer": self.tokenizer}

    def fingerprint(self) -> str:
        """Return a short name, another one wherever another model would be learnt."""
        parts = {
            "settings": self.settings.model_dump(mode="json", exclude=WITHOUT_EFFECT),
            "architecture": self.architecture.model_dump(mode="json"),
            "data": [_checksums(shards) for shards in (*self.train, self.valid)],
            "tokenizer": checksum(self.tokenizer),
            "seed": self.seed,
        }
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _checksums(shards: Path) -> list[str]:
    return [part["sha256"] for part in read_json(shards / "manifest.json")["parts"]]
