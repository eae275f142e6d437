"""Checkpoints that survive kills, full disks and damage, and fit any number of processes.

A checkpoint is a folder, ``step-000001000/``: each process writes its share of the tensors (the
format of ``torch.distributed.checkpoint``, which any number of processes can read), process 0
numbers and checksums. It is written under a temporary name beside training, synced and renamed.
What is in the folder is thus always whole; if the newest is damaged later, the one before is used.
"""

import logging
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from pipeline_lib.errors import TrainingError
from pipeline_lib.files import checksum, read_json, sync_directory, write_json, write_text
from pipeline_lib.pretraining.ranks import Ranks

logger = logging.getLogger(__name__)
T = TypeVar("T")
Tensors = dict[str, Tensor]
warnings.filterwarnings(  # one process is what is meant
    "ignore", "torch.distributed is disabled", module=r"torch\.distributed\.checkpoint"
)
OWN = ("run", "metrics.jsonl", "accumulation", "tensorboard", "trackio")
"""What is a run's in the folder, besides its checkpoints."""
NUMBERS, CHECKSUMS = "state.json", "checksums.json"


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
    ranks
        The processes, all of which call the same methods.
    """

    def __init__(self, directory: Path, run: str, keep: int, ranks: Ranks | None = None) -> None:
        self.directory, self._keep, self._ranks = directory, keep, ranks or Ranks()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        if self._ranks.first:
            self._claim(run)
        self._ranks.wait()

    def save(self, step: int, numbers: dict[str, Any], tensors: Tensors) -> None:
        """Copy the state of a step, and write it while training goes on.

        Raises
        ------
        TrainingError
            If the checkpoint before could not be written.
        """
        self.wait()
        # The device is free to change its numbers as soon as they are copied.
        copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
        self._writing = self._thread.submit(self._write, step, dict(numbers), copies)

    def wait(self) -> None:
        """Return when what was to be saved is on the disk.

        Raises
        ------
        TrainingError
            If it could not be written: the disk is full, say. Those before are still there.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def newest(self) -> int | None:
        """Return the step of the newest undamaged checkpoint, None where there is none."""
        for step in reversed(self._ranks.gather(self._steps())[0]):
            if all(self._ranks.gather(self._undamaged(self._path(step)))):
                return step
            if self._ranks.first:
                path = self._path(step)
                logger.warning("%s is damaged (its checksum differs); using the one before", path)
        return None

    def numbers(self, step: int) -> dict[str, Any]:
        """Return the numbers of a checkpoint."""
        found: dict[str, Any] = read_json(self._path(step) / NUMBERS)
        return found

    def load(self, step: int, tensors: Tensors) -> None:
        """Fill tensors with those of the same names in a checkpoint, wherever they are."""
        reader = FileSystemReader(self._path(step))
        load({"state": tensors}, storage_reader=reader, no_dist=self._ranks.count == 1)

    def _write(self, step: int, numbers: dict[str, Any], tensors: Tensors) -> None:
        path = self._path(step)
        partial = path.with_name(f".{path.name}.part")
        try:
            self._attempt(partial, path, numbers, tensors)
        except _FailedError as error:
            if self._ranks.first:
                shutil.rmtree(partial, ignore_errors=True)
            kept = self._steps()
            raise TrainingError(
                f"the checkpoint of step {step} could not be written ({error}); "
                f"the newest good one is of step {kept[-1] if kept else 'none'}. "
                "Free some space and start again: training continues from there"
            ) from error

    def _attempt(
        self, partial: Path, path: Path, numbers: dict[str, Any], tensors: Tensors
    ) -> None:
        first = self._ranks.first

        def begin() -> None:
            if first:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()

        def write() -> None:
            save(
                {"state": tensors},
                storage_writer=FileSystemWriter(partial),
                process_group=self._ranks.quiet_group,
                no_dist=self._ranks.count == 1,
            )
            if first:
                write_json(partial / NUMBERS, numbers)

        def add_up() -> dict[str, str]:
            # Each process those that it wrote itself: the others' may not be seen from here yet.
            names = [f"__{self._ranks.number}_*"]
            names += [".metadata", NUMBERS] if first else []
            files = [file for name in names for file in partial.glob(name)]
            return {file.name: checksum(file) for file in files}

        def finish() -> None:
            if not first:
                return
            write_json(partial / CHECKSUMS, {k: v for part in sums for k, v in part.items()})
            if path.exists():  # a damaged one of the same step
                shutil.rmtree(path)
            partial.replace(path)
            sync_directory(self.directory)
            for old in self._steps()[: -self._keep]:
                shutil.rmtree(self._path(old), ignore_errors=True)

        self._together(begin)
        self._together(write)
        sums = self._together(add_up)
        self._together(finish)

    def _together(self, action: Callable[[], T]) -> list[T]:
        """Let every process do something; if one of them fails, all do."""
        try:
            done, problem = action(), None
        except (Exception, CheckpointException) as error:  # the latter is no Exception
            logger.debug("a checkpoint could not be written", exc_info=True)
            done, problem = None, _first_line(error)
        said = self._ranks.gather((done, problem), quiet=True)
        for _, problem in said:
            if problem is not None:
                raise _FailedError(problem)
        return [done for done, _ in said]  # type: ignore[misc]

    def _own_share(self, files: list[Path]) -> list[Path]:
        return files[self._ranks.number :: self._ranks.count]

    def _undamaged(self, path: Path) -> bool:
        try:
            sums: dict[str, str] = read_json(path / CHECKSUMS)
            return all(
                checksum(file) == sums[file.name]
                for file in self._own_share([path / name for name in sorted(sums)])
            )
        except (OSError, ValueError):
            return False

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step:09d}"

    def _steps(self) -> list[int]:
        folders = self.directory.glob("step-*")
        return sorted(int(folder.name.removeprefix("step-")) for folder in folders)

    def _claim(self, run: str) -> None:
        """Make the folder that of a run: move aside what is another's, remove leftovers."""
        note = self.directory / "run"
        if self.directory.exists() and (not note.exists() or note.read_text().strip() != run):
            other = note.read_text().strip() if note.exists() else "unknown"
            if any(self.directory.glob("step-*")):
                self._move_aside(other)
        self.directory.mkdir(parents=True, exist_ok=True)
        write_text(note, run + "\n")
        for leftover in self.directory.glob(".step-*.part"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _move_aside(self, other: str) -> None:
        aside = self.directory.with_name(f"{self.directory.name}-{other}")
        number = 1
        while aside.exists():
            number += 1
            aside = self.directory.with_name(f"{self.directory.name}-{other}-{number}")
        aside.mkdir()
        # What a launcher keeps here, the log of this very job say, is not a run's and stays.
        steps = (folder.name for folder in self.directory.glob("step-*"))
        for name in (*OWN, *steps):
            if (self.directory / name).exists():
                (self.directory / name).replace(aside / name)
        logger.warning(
            "checkpoints of a run with other settings or data were moved to %s; starting anew",
            aside,
        )


class _FailedError(Exception):
    """A process could not do its part."""


def _first_line(error: BaseException) -> str:
    """Return what an error says, that of the first process if it collects those of several."""
    failures = getattr(error, "failures", None)  # of dcp.api.CheckpointException
    if failures:
        inner = next(iter(failures.values()))
        error = inner[0] if isinstance(inner, tuple) else inner
    return (str(error) or type(error).__name__).strip().splitlines()[0]
