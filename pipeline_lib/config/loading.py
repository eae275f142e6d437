"""From YAML files to a checked :class:`Config`, or to a sentence saying what to mend."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline_lib.config.base import Section, spread_defaults, without_none
from pipeline_lib.config.family import AnyArchitecture, architecture_class
from pipeline_lib.config.needs import locate
from pipeline_lib.config.root import Config, ReferenceError_
from pipeline_lib.config.sheet import with_sheet
from pipeline_lib.config.task_files import (
    PAPER,
    defined_tasks,
    nearest_tasks,
    task_presets,
    wanted_tasks,
    with_tasks,
)
from pipeline_lib.config.tasks import TASK_TYPES
from pipeline_lib.errors import ConfigError

Loaded = TypeVar("Loaded", bound=Section)
Key = tuple[str | int, ...]
ROOT = Path(__file__).resolve().parents[2]


def load_config(
    values: Mapping[str, Any], files: Sequence[str | Path] = (), root: Path = ROOT
) -> Config:
    """Check a configuration, with the rows of its sheet of assemblies and its tasks' files.

    Parameters
    ----------
    values
        The merged configuration.
    files
        The files it was merged from, the last one winning; used to say where a bad key stands.
    root
        Folder of the workflow, where a relative path is looked up after the working folder.

    Raises
    ------
    ConfigError
        Naming file, line, key path, value found, what is allowed, and the nearest valid key.
    """
    genome = values.get("genome")
    sheet = genome.get("sheet") if isinstance(genome, Mapping) else None
    if isinstance(sheet, str):
        values = with_sheet(values, locate(sheet, key="genome.sheet", root=root))
    folders = [Path("config/tasks"), root / "config" / "tasks"]
    values = with_tasks(values, _read_tasks(values, files, folders))
    return _load(Config, values, files)


def read_config(*files: str | Path) -> Config:
    """Read and check configuration files, later ones layered over earlier ones."""
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, read_yaml(file))
    return load_config(merged, files)


def read_yaml(file: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds keys and values."""
    try:
        values = yaml.safe_load(Path(file).read_text())
    except FileNotFoundError as error:
        raise ConfigError(
            "no such file", path=file, remedy="check the path; config/config.yaml is an example"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            f"not valid YAML: {getattr(error, 'problem', error)}",
            path=file,
            where=f"line {mark.line + 1}" if mark else None,
            remedy="check the indentation (spaces, no tabs) and the colons of that line",
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"holds {type(values).__name__} instead of keys and values",
            path=file,
            remedy="write the file as `key: value` lines, as in config/config.yaml",
        )
    return values


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Layer ``upper`` over ``lower``: mappings are merged, everything else is replaced."""
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def load_architecture(
    preset: str, changes: Mapping[str, Any], folders: Iterable[Path]
) -> AnyArchitecture:
    """Read ``PRESET.yaml`` from the first of ``folders`` that has it, and apply ``changes``.

    Raises
    ------
    ConfigError
        If there is no such preset (the nearest names are given), or a key is wrong.
    """
    presets = {file.stem: file for folder in reversed(list(folders)) for file in _presets(folder)}
    if preset not in presets:
        near = difflib.get_close_matches(preset, presets, n=3, cutoff=0.4)
        raise ConfigError(
            f"there is no model preset {preset!r}",
            where="pretraining.models.*.preset",
            expected=f"one of: {', '.join(sorted(presets))}",
            remedy=(f"write {' or '.join(map(repr, near))}, or " if near else "")
            + f"add config/models/{preset}.yaml",
        )
    values = merge(read_yaml(presets[preset]), changes)
    return _load(architecture_class(values), values, [presets[preset]])


def _presets(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def _read_tasks(
    values: Mapping[str, Any], files: Sequence[str | Path], folders: Iterable[Path]
) -> dict[str, Any]:
    """Read tasks from their own files: those of the run, and those changed in some keys only."""
    presets, defined = task_presets(folders), defined_tasks(values)
    changed = [
        name
        for name, entry in defined.items()
        if name in presets and isinstance(entry, Mapping) and "type" not in entry
    ]
    found: dict[str, Any] = {}
    for wanted in dict.fromkeys([*changed, *wanted_tasks(values)]):
        name = wanted if wanted in presets else wanted.removesuffix(PAPER)
        if name in found or (name not in changed and {wanted, name} & defined.keys()):
            continue
        if name not in presets:
            near = nearest_tasks(name, {**defined, **presets})
            known = ", ".join(sorted({*defined, *presets})) or "an entry; there are none"
            raise _located(
                ("run", "tasks"),
                f"`run.tasks` names {wanted!r}",
                f"expected an entry of `finetuning.tasks` or a file of config/tasks: {known}",
                files,
                (f"write {' or '.join(map(repr, near))}, or " if near else "")
                + f"add config/tasks/{name}.yaml",
            )
        task = read_yaml(presets[name])
        # Checked by itself first, so that a message names this file and its line.
        section = values.get("finetuning")
        shared = spread_defaults({**(section or {}), "tasks": {name: task}}, "tasks")
        _load(_task_class(task, presets[name]), shared["tasks"][name], [presets[name]])
        found[name] = merge(task, defined.get(name, {}))
    return found


def _task_class(values: Mapping[str, Any], file: Path) -> type[Section]:
    kind = values.get("type")
    if kind in TASK_TYPES:
        return TASK_TYPES[kind]
    raise _located(
        ("type",),
        f"`type` is {_short(kind)}" if "type" in values else "`type` is missing",
        f"expected one of: {', '.join(sorted(TASK_TYPES))}",
        [file],
        "change `type`" if "type" in values else "add `type`",
    )


def _load(model: type[Loaded], values: Mapping[str, Any], files: Sequence[str | Path]) -> Loaded:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A setting of a whole section also fails in each entry it was spread to: the shortest
        # path is where it was written. A missing key may be there under a misspelt name.
        first = min(error.errors(), key=lambda e: (len(e["loc"]), e["type"] == "missing"))
        raise _explain(model, first, files) from None


def _explain(
    model: type[BaseModel], error: ErrorDetails, files: Sequence[str | Path]
) -> ConfigError:
    reference = error.get("ctx", {}).get("error")
    if isinstance(reference, ReferenceError_):
        return _located(
            tuple(reference.key.split(".")),
            f"`{reference.key}` is {reference.value!r}",
            f"expected {reference.allowed}",
            files,
            "name an entry that exists, or add one of this name",
        )
    tagged: Key = tuple(error["loc"])
    key = _without_type(tagged)
    path = ".".join(str(part) for part in key)
    if error["type"] == "extra_forbidden":
        known = _fields(model, tagged[:-1])
        near = difflib.get_close_matches(str(key[-1]), known, n=1, cutoff=0.4)
        return _located(
            key,
            f"unknown key `{path}` (value {_short(error['input'])})",
            f"the keys known here are {', '.join(sorted(known))}",
            files,
            f"write `{near[0]}`" if near else "remove the key, or correct its spelling",
        )
    if error["type"] == "missing":
        return _located(
            key, f"`{path}` is missing", "it has no default", files, f"add `{key[-1]}`", parent=True
        )
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return _no_type(error, (*key, "type"), files)
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    found = (
        f"`{path or 'the configuration'}`"
        if isinstance(error["input"], dict)
        else f"`{path}` is {_shown(key, error['input'])}"
    )
    return _located(key, found, message, files, _remedy(model, tagged, path))


def _without_type(key: Key) -> Key:
    """Leave out the type of a task, which stands in no file's path."""
    return (*key[:3], *key[4:]) if key[:2] == ("finetuning", "tasks") else key


def _no_type(error: ErrorDetails, key: Key, files: Sequence[str | Path]) -> ConfigError:
    path, found = ".".join(map(str, key)), error["input"]
    given = found.get("type") if isinstance(found, Mapping) else found
    missing = error["type"] == "union_tag_not_found"
    near = difflib.get_close_matches(str(given), TASK_TYPES, n=1, cutoff=0.4)
    return _located(
        key,
        f"`{path}` is missing" if missing else f"`{path}` is {_short(given)}",
        f"expected one of: {', '.join(sorted(TASK_TYPES))}",
        files,
        f"write `type: {near[0]}`" if near and not missing else f"give `{path}` one of these",
        parent=missing,
    )


def _remedy(model: type[BaseModel], key: Key, path: str) -> str:
    field = _field(model, key)
    return f"change `{path}`" + (f" ({field})" if field else "") if path else "change the file"


def _located(
    key: Key,
    problem: str,
    allowed: str,
    files: Sequence[str | Path],
    remedy: str,
    *,
    parent: bool = False,
) -> ConfigError:
    """Say where the key stands: in the last file that has it, since that one wins."""
    for file in reversed(files):
        line = _line_of(Path(file), key[:-1] if parent else key)
        if line is not None:
            return ConfigError(
                f"{problem}; {allowed}", path=file, where=f"line {line}", remedy=remedy
            )
    path = " + ".join(map(str, files)) or None
    return ConfigError(f"{problem}; {allowed}", path=path, remedy=remedy)


def _line_of(file: Path, key: Key) -> int | None:
    """Return the line on which a key stands in a YAML file, None where it does not."""
    try:
        node: Any = yaml.compose(file.read_text())
    except (OSError, yaml.YAMLError):
        return None
    line = 1
    for part in key:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == str(part)]
            if not found:
                return None
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line if key else None


def _section(model: type[BaseModel], key: Key) -> type[BaseModel] | None:
    """Return the settings class that a key path leads to; entry names are stepped over."""
    current: Any = model
    for part in key:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            if field is None:
                return None
            current = without_none(field.annotation)
        elif part in TASK_TYPES and get_origin(current) is Annotated:
            current = TASK_TYPES[str(part)]
        elif get_args(current):
            current = get_args(current)[-1]
        else:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _fields(model: type[BaseModel], key: Key) -> list[str]:
    section = _section(model, key)
    return list(section.model_fields) if section else []


def _field(model: type[BaseModel], key: Key) -> str | None:
    section = _section(model, key[:-1]) if key else None
    field = section.model_fields.get(str(key[-1])) if section else None
    return field.description.rstrip(".") if field and field.description else None


def _shown(key: Key, value: Any) -> str:
    """Return the value, unless the key invites writing a secret where only its name belongs."""
    return "not shown" if "api_key" in str(key[-1:]) else _short(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
