"""Where tasks and their files are found: presets, and the paths that a task names."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any, TypeVar

from pipeline_lib.config.finetuning import Task
from pipeline_lib.config.needs import locate

PAPER = ".paper"
AnyTaskT = TypeVar("AnyTaskT", bound=Task)


def task_presets(folders: Iterable[Path]) -> dict[str, Path]:
    """Return the files ``NAME.yaml`` of some folders by name; earlier folders win."""
    presets: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            presets.setdefault(file.stem, file)
    return presets


def wanted_tasks(values: Mapping[str, Any]) -> list[str]:
    """Return the names in `run.tasks` of a configuration not yet checked."""
    run = values.get("run")
    names = run.get("tasks") if isinstance(run, Mapping) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def defined_tasks(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `finetuning.tasks` of a configuration not yet checked."""
    section = values.get("finetuning")
    tasks = section.get("tasks") if isinstance(section, Mapping) else None
    return dict(tasks) if isinstance(tasks, Mapping) else {}


def with_tasks(values: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with further tasks, and with `protocol: both` as two tasks.

    Parameters
    ----------
    values
        Configuration, not yet checked.
    found
        Tasks that were read from files of their own, with the changes that ``values`` make.
    """
    section = values.get("finetuning") or {}
    if not isinstance(section, Mapping) or not isinstance(section.get("tasks") or {}, Mapping):
        return dict(values)  # something is wrong: said elsewhere
    tasks: dict[str, Any] = {**defined_tasks(values), **found}
    for name in wanted_tasks(values):
        base = tasks.get(name.removesuffix(PAPER))
        if name not in tasks and isinstance(base, Mapping):
            tasks[name] = {**base, "protocol": "paper"}
    both = [
        name
        for name, entry in tasks.items()
        if isinstance(entry, Mapping) and entry.get("protocol", section.get("protocol")) == "both"
    ]
    for name in both:
        tasks[name + PAPER] = {**tasks[name], "protocol": "paper"}
        tasks[name] = {**tasks[name], "protocol": "strict"}
    if not tasks:
        return dict(values)
    result = {**values, "finetuning": {**section, "tasks": tasks}}
    wanted = wanted_tasks(values)
    if both and wanted:
        names = [n for w in wanted for n in ((w, w + PAPER) if w in both else (w,))]
        result["run"] = {**values["run"], "tasks": list(dict.fromkeys(names))}
    return result


def nearest_tasks(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that look most like one that is not known."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)


def located_task(task: AnyTaskT, name: str, root: Path) -> AnyTaskT:
    """Return a task whose paths start from the working folder, wherever they were found.

    Raises
    ------
    ConfigError
        If there is no such file, neither from the working folder nor from ``root``.
    """
    changes: dict[str, Any] = {}
    for key in task.PATHS:
        value, place = getattr(task, key), f"finetuning.tasks.{name}.{key}"
        if isinstance(value, str):
            changes[key] = locate(value, key=place, root=root)
        elif value is not None:
            changes[key] = tuple(locate(path, key=place, root=root) for path in value)
    return task.model_copy(update=changes)


def source_files(task: Task) -> list[Path]:
    """Return the files that a located task is made from: those of folders and patterns too."""
    found: dict[Path, None] = {}
    for _, path in task.paths():
        found |= dict.fromkeys(_files(path))
    return list(found)


def _files(path: str) -> Iterator[Path]:
    # Path.glob takes no absolute pattern.
    for match in sorted(glob(path)) if not Path(path).exists() else [path]:  # noqa: PTH207
        if Path(match).is_dir():
            yield from sorted(file for file in Path(match).rglob("*") if file.is_file())
        else:
            yield Path(match)
