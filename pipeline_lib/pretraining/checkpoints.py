"""Checkpoints that survive kills, full disks and damage.

A checkpoint is written under a temporary name, synced and renamed, with its checksum beside it;
the note ``latest`` moves last. What is in the folder is thus always usable: at worst the newest
checkpoint is damaged, and the one before it is used.
"""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch

from pipeline_lib.errors import InputError, TrainingError
from pipeline_lib.files import atomic_path, checksum, write_text

logger = logging.getLogger(__name__)


def fingerprint(**parts: Any) -> str:
    """Return a short name for what a training run is: settings, data, seed."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Checkpoints:
    """The checkpoints of one training run.

    Parameters
    ----------
    directory
        Folder of the checkpoints.
    run
        Fingerprint of the run. Checkpoints of another run found in the folder are moved aside,
        to ``{directory}-{fingerprint}``: they are neither used nor lost.
    keep
        How many of the newest are kept.
    """

    def __init__(self, directory: Path, run: str, keep: int) -> None:
        self.directory, self._run, self._keep = directory, run, keep
        note = directory / "run"
        if directory.exists() and (not note.exists() or note.read_text().strip() != run):
            other = note.read_text().strip() if note.exists() else "unknown"
            self._move_aside(other)
        directory.mkdir(parents=True, exist_ok=True)
        write_text(note, run + "\n")

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the checkpoint of a step, then forget the oldest ones.

        Raises
        ------
        TrainingError
            If the disk is full; the checkpoints written before are still there.
        """
        path = self._path(step)
        try:
            with atomic_path(path) as temporary:
                torch.save({"step": step, **state}, temporary)
                digest = checksum(temporary)
                write_text(path.with_suffix(".sha256"), digest + "\n")
            write_text(self.directory / "latest", f"{step}\n")
        except InputError as error:
            kept = self._steps()
            raise TrainingError(
                f"the checkpoint of step {step} could not be written ({error.problem}); "
                f"the newest good one is of step {kept[-1] if kept else 'none'}. "
                "Free some space and start again: training continues from there"
            ) from error
        for old in self._steps()[: -self._keep]:
            self._path(old).unlink(missing_ok=True)
            self._path(old).with_suffix(".sha256").unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """Return the newest undamaged checkpoint, or None where there is none."""
        for step in reversed(self._steps()):
            path = self._path(step)
            note = path.with_suffix(".sha256")
            if note.exists() and note.read_text().strip() == checksum(path):
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                return state
            logger.warning("%s is damaged (its checksum differs); using the one before", path)
        return None

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step:09d}.pt"

    def _steps(self) -> list[int]:
        return sorted(
            int(file.stem.removeprefix("step-")) for file in self.directory.glob("step-*.pt")
        )

    def _move_aside(self, other: str) -> None:
        aside = self.directory.with_name(f"{self.directory.name}-{other}")
        number = 1
        while aside.exists():
            number += 1
            aside = self.directory.with_name(f"{self.directory.name}-{other}-{number}")
        self.directory.rename(aside)
        logger.warning(
            "checkpoints of a run with other settings or data were moved to %s; starting anew",
            aside,
        )
