"""What all config sections have in common."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the configuration: immutable, and without room for misspelt keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def spread_defaults(section: Any, entries_key: str) -> Any:
    """Copy settings given for a whole section into each of its named entries.

    ``{"passes": 3, "corpora": {"a": {}, "b": {"passes": 5}}}`` gives ``a`` 3 passes and ``b`` 5.
    """
    if not isinstance(section, dict) or not isinstance(section.get(entries_key), dict):
        return section
    shared = {key: value for key, value in section.items() if key != entries_key}
    entries = {
        name: {**shared, **entry} if isinstance(entry, dict) else entry
        for name, entry in section[entries_key].items()
    }
    return {**section, entries_key: entries}


def without_none(annotation: Any) -> Any:
    """Return the type that may also be None: of ``Ensembl | None`` it is ``Ensembl``."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 else annotation


def _ordered(values: tuple[int, int]) -> tuple[int, int]:
    if values[0] > values[1]:
        raise ValueError(f"the first number, {values[0]}, is larger than the second, {values[1]}")
    return values


Range = Annotated[
    tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]], AfterValidator(_ordered)
]
"""Smallest and largest value, both included."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A share of a whole, 0 to 1."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""Name of an entry; it becomes the name of a results folder."""
