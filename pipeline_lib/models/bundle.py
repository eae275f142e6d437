"""One file of source code out of several modules: for model folders that need no package of ours.

Starting from a few names, every definition that they need is collected from the modules it stands
in, comments included; imports among these modules are dropped, and all others are kept.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

PACKAGE = "pipeline_lib."
SETTINGS = f"{PACKAGE}config."
"""Where classes of settings stand, which are replaced by :data:`BASE` with their own methods."""
BASE = "Settings"
"""Class that stands in for the base of settings."""
_FUTURE = "from __future__ import annotations"


class Place(NamedTuple):
    """Where something is defined."""

    module: str
    name: str


@dataclass
class Module:
    """The top level of a module.

    Attributes
    ----------
    lines
        Its text.
    definitions
        What it defines, in order; with the nodes that make up a definition.
    ours, others
        What it imports from the package, and the import statements of everything else.
    """

    lines: list[str]
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    ours: dict[str, Place] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


def bundle(
    roots: Iterable[Place],
    *,
    replaced: Mapping[Place, Place] | None = None,
    given: Iterable[Place] = (),
    header: str = "",
    stand_ins: str = "",
) -> str:
    """Return source code that defines some names and all that they need.

    Parameters
    ----------
    roots
        What to define.
    replaced
        Names that a module imports, and the definitions to take in their place.
    given
        Definitions that ``stand_ins`` brings along.
    header
        Docstring and first imports of the file.
    stand_ins
        Code that comes after the imports.

    Raises
    ------
    ValueError
        If two definitions have the same name, or one cannot be found.
    """
    replaced, given = dict(replaced or {}), set(given)
    found: dict[Place, None] = {}
    imports: dict[str, None] = {}
    aliases: dict[str, None] = {}

    def visit(place: Place) -> None:
        if place in found or place in given:
            return
        found[place] = None  # before the others: definitions may need each other
        module = _read(place.module)
        for name in _names(place, module):
            if name in module.definitions:
                visit(Place(place.module, name))
            elif name in module.ours:
                origin = _origin(replaced.get(Place(place.module, name), module.ours[name]))
                visit(origin)
                if origin.name != name:
                    aliases[f"{name} = {origin.name}"] = None
            elif name in module.others:
                imports[module.others[name]] = None

    for root in roots:
        visit(root)
    _check_names(found)
    text = "\n\n\n".join(_text(place) for place in _in_order(found))
    parts = ["\n".join([header, *sorted(imports)]), stand_ins, text, "\n".join(aliases)]
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _origin(place: Place) -> Place:
    """Return where a name is defined: a module may hand on what it imports itself."""
    module = _read(place.module)
    if place.name in module.definitions:
        return place
    if place.name not in module.ours:
        raise ValueError(f"{place.module} does not define {place.name}")
    return _origin(module.ours[place.name])


@cache
def _read(name: str) -> Module:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {name}")
    text = Path(spec.origin).read_text(encoding="utf-8")
    module = Module(text.splitlines())
    last = ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            _add_import(module, node)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            module.definitions[last := node.name] = [node]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            module.definitions[last := node.targets[0].id] = [node]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            module.definitions[last := node.target.id] = [node]
        elif isinstance(node, ast.Expr) and last:
            module.definitions[last].append(node)  # the docstring of a constant
    return module


def _add_import(module: Module, node: ast.Import | ast.ImportFrom) -> None:
    for alias in node.names:
        local = alias.asname or alias.name
        renamed = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            module.others[local.split(".")[0]] = f"import {alias.name}{renamed}"
        elif f"{node.module}.".startswith(PACKAGE):
            module.ours[local] = Place(str(node.module), alias.name)
        else:
            module.others[local] = f"from {node.module} import {alias.name}{renamed}"


def _names(place: Place, module: Module) -> Iterator[str]:
    """Yield the names that a definition mentions, annotations included."""
    for node in _kept(place, module):
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                yield part.id
            elif isinstance(part, ast.ImportFrom) and f"{part.module}.".startswith(PACKAGE):
                raise ValueError(f"{place.module}.{place.name} imports within a function")


def _kept(place: Place, module: Module) -> list[ast.stmt]:
    """Return the nodes of a definition; of a class of settings, its methods and sections alone."""
    nodes = module.definitions[place.name]
    if not place.module.startswith(SETTINGS) or not isinstance(nodes[0], ast.ClassDef):
        return nodes
    body = nodes[0].body
    sections = [ast.Name(pair[1]) for pair in (_section(node, module) for node in body) if pair]
    return [*map(ast.Expr, sections), *(node for node in body if _is_method(node))]


def _is_method(node: ast.stmt) -> bool:
    """Tell whether this is a method or property that a model may use: no check of settings."""
    if not isinstance(node, ast.FunctionDef):
        return False
    plain = all(
        isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list
    )
    return plain and not node.name.startswith("_")


def _section(node: ast.stmt, module: Module) -> tuple[str, str] | None:
    """Return key and class of a setting that is itself a class of settings."""
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
        return None
    for part in ast.walk(node.annotation):
        place = module.ours.get(part.id) if isinstance(part, ast.Name) else None
        if place and place.module.startswith(SETTINGS):
            first = _read(place.module).definitions[place.name][0]
            if isinstance(first, ast.ClassDef):
                return node.target.id, place.name
    return None


def _text(place: Place) -> str:
    module = _read(place.module)
    nodes = module.definitions[place.name]
    if place.module.startswith(SETTINGS) and isinstance(nodes[0], ast.ClassDef):
        return _settings_text(nodes[0], module)
    return "\n".join(_source(node, module) for node in nodes)


def _settings_text(node: ast.ClassDef, module: Module) -> str:
    """Return a class of settings without its checks: keys are attributes."""
    pairs = dict(filter(None, (_section(part, module) for part in node.body)))
    sections = ", ".join(f'"{key}": {name}' for key, name in pairs.items())
    parts = [f'    """{(ast.get_docstring(node) or "").splitlines()[0]}"""']
    parts += [f"    sections = {{{sections}}}"] if pairs else []
    parts += [_source(part, module) for part in node.body if _is_method(part)]
    return f"class {node.name}({BASE}):\n" + "\n\n".join(parts)


def _source(node: ast.stmt, module: Module) -> str:
    """Return the lines of a node, with its decorators and the comments before it."""
    first = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", []))])
    while first > 1 and module.lines[first - 2].startswith("#"):
        first -= 1
    return "\n".join(module.lines[first - 1 : node.end_lineno])


def _in_order(found: Iterable[Place]) -> list[Place]:
    """Return definitions in an order in which each module comes after those it imports."""
    places = set(found)
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in done:
            for place in _read(name).ours.values():
                visit(place.module)
            done[name] = None

    for place in reversed(list(found)):  # what is needed was found after what needs it
        visit(place.module)
    return [
        Place(module, name)
        for module in done
        for name in _read(module).definitions
        if Place(module, name) in places
    ]


def _check_names(found: Iterable[Place]) -> None:
    seen: dict[str, str] = {}
    for place in found:
        if place.name in seen:
            raise ValueError(
                f"{place.name} is defined in {seen[place.name]} and in {place.module}: "
                "rename one of them, so that both fit into one file"
            )
        seen[place.name] = place.module
