"""Metrics for those who watch: TensorBoard and Trackio, beside ``metrics.jsonl``.

Both are installed separately. What is written here is a copy: a run does not depend on it, and
``metrics.jsonl`` stays the record.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline_lib.errors import InputError
from pipeline_lib.files import write_text

PROJECT = "dnalm"
"""Project of all runs in Trackio: they are shown side by side."""


class Tracker(Protocol):
    """A place where metrics are written."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write the metrics of a step."""

    def close(self) -> None:
        """Write what is still held back."""


class Trackers:
    """The places where the metrics of a run are written.

    A run that is continued from a checkpoint continues the same curves: TensorBoard drops what it
    had of later steps, and Trackio is not told a second time what it knows.

    Parameters
    ----------
    names
        ``tensorboard`` and ``trackio``, or one of them, or none.
    directory
        Where event files and notes are kept: the folder of the run's checkpoints, so that a run
        that begins anew begins new curves.
    run_name
        Name of the run.

    Raises
    ------
    InputError
        If one of them is not installed.
    """

    def __init__(self, names: Sequence[str], directory: Path, run_name: str) -> None:
        for name in names:
            _check_installed(name)
        self._trackers: list[Tracker] = []
        if "tensorboard" in names:
            self._trackers.append(_TensorBoard(directory / "tensorboard" / run_name))
        if "trackio" in names:
            self._trackers.append(_Trackio(directory / "trackio", run_name))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Write the numbers among the metrics of a step; steps never go down in a run.

        Parameters
        ----------
        step
            Optimizer steps done.
        values
            Metrics by name. What is not a number is left out, and so is the step itself.
        """
        numbers = {
            name: float(value)
            for name, value in values.items()
            if isinstance(value, int | float) and name != "step"
        }
        for tracker in self._trackers:
            tracker.log(step, numbers)

    def close(self) -> None:
        """Write what is still held back; nothing can be logged afterwards."""
        for tracker in self._trackers:
            tracker.close()
        self._trackers = []


class _TensorBoard:
    """Event files of TensorBoard, one for each attempt at a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        writer = self._open(step)
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _open(self, step: int) -> Any:
        if self._writer is None:
            board = importlib.import_module("torch.utils.tensorboard")
            # What earlier attempts wrote of this step and later ones is then not shown.
            self._writer = board.SummaryWriter(str(self._folder), purge_step=step, flush_secs=10)
        return self._writer


class _Trackio:
    """A run in Trackio's own database, wherever `TRACKIO_DIR` or its default says that is.

    Nothing can be taken back there. A note says up to which step all is known, and up to there a
    continued run, which makes the same steps again, is silent.
    """

    def __init__(self, folder: Path, run_name: str) -> None:
        self._note, self._name = folder / "step", run_name
        self._known = int(self._note.read_text()) if self._note.exists() else None
        self._last = 0
        self._run: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self._known is not None and step <= self._known:
            return
        if self._run is not None and step > self._last:
            self._write_note()
        self._open().log(dict(values), step=step)
        self._last = step

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._write_note()

    def _open(self) -> Any:
        if self._run is None:
            self._run = importlib.import_module("trackio").init(
                PROJECT,
                name=self._name,
                resume="never" if self._known is None else "allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return self._run

    def _write_note(self) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._note, f"{self._last}\n")


def _check_installed(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        raise InputError(
            f"{name} is not installed",
            where="pretraining.models.*.trackers",
            expected="trackers that are installed in this environment",
            remedy=f"run `pip install {name}`, or leave it out; metrics.jsonl is always written",
        )
