"""What is to be done, as data: the process that waits for it never imports what does it."""

import hashlib
import importlib
import json
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline_lib.config.launching import WITHOUT_EFFECT, Launching

THREADS = "threads"
"""The argument by which a function is told how many CPU threads to compute with."""


@dataclass(frozen=True)
class Work:
    """A call of a function, to be carried out in one process or in several together.

    Attributes
    ----------
    function
        Module and name, such as ``"pipeline_lib.pretraining.run:pretrain"``. With several
        processes each of them calls it, and it reads RANK and WORLD_SIZE from the environment.
    arguments
        Its arguments by name: paths, settings, numbers. An argument ``threads`` is the number of
        CPU threads of the whole work, and is shared out among its processes.
    resumable
        Called again after an interruption, the function goes on from its own checkpoints. It
        then ends with :class:`~pipeline_lib.stopping.Stopped` after a signal, once they are
        written.
    results
        What the function leaves behind: a job that ended well is believed if all of it is there.
    """

    function: str
    arguments: dict[str, Any]
    resumable: bool
    results: tuple[Path, ...] = ()

    def call(self) -> None:
        """Import the function and call it."""
        module, _, name = self.function.partition(":")
        getattr(importlib.import_module(module), name)(**self.arguments)

    @property
    def done(self) -> bool:
        """Whether all results are there."""
        return all(result.exists() for result in self.results)

    def with_threads(self, threads: int) -> "Work":
        """Return the same work, for processes of so many CPU threads each."""
        if THREADS not in self.arguments:
            return self
        return replace(self, arguments={**self.arguments, THREADS: threads})


def rule_work(snakemake: Any, function: str, arguments: dict[str, Any], *, resumable: bool) -> Work:
    """Return the work of a rule: its outputs are the results, in one folder, ``directory``.

    Parameters
    ----------
    snakemake
        The object Snakemake puts into a script's namespace.
    arguments
        What the function takes besides ``directory`` and ``threads``.
    """
    results = tuple(Path(str(path)) for path in snakemake.output)
    place = {"directory": results[0].parent, THREADS: max(1, snakemake.threads)}
    return Work(function, {**arguments, **place}, resumable, results)


def fingerprint(work: Work) -> str:
    """Return a fingerprint of what was asked for.

    It covers the arguments and the state of the files that they name. How the work is carried
    out, on which partition or with how many processes, is no part of it.
    """
    places = {result.parent for result in work.results}
    arguments = {
        name: _plain(value, places) for name, value in work.arguments.items() if name != THREADS
    }
    text = json.dumps([work.function, arguments], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any, places: set[Path]) -> Any:
    """Return an argument as JSON can hold it; a folder that results go to is but a name."""
    if isinstance(value, BaseModel):
        how = WITHOUT_EFFECT if isinstance(value, Launching) else None
        return value.model_dump(mode="json", exclude=set(how) if how else None)
    if isinstance(value, Path):
        return [str(value), None if value in places else _state(value)]
    if is_dataclass(value):
        return {key.name: _plain(getattr(value, key.name), places) for key in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item, places) for item in value]
    return value


def _state(path: Path) -> list[int] | None:
    """Return size and time of the last change of a file, or of the newest file of a folder."""
    if not path.exists():
        return None
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    marks = [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return list(max(marks, default=(0, 0)))
