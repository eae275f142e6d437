"""What commands that put models to work have in common."""

from typing import Any, TypeVar

from pydantic import ValidationError

from pipeline_lib.config.base import Section
from pipeline_lib.errors import InputError

S = TypeVar("S", bound=Section)


def chosen_device(name: str) -> str:
    """Return the device of a name; `auto` is the GPU where there is one.

    Raises
    ------
    InputError
        If there is no such device.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not (name.startswith("cuda") and torch.cuda.is_available()):
        raise InputError(
            f"there is no device {name!r}",
            expected="`cpu`" + (", `cuda`" if torch.cuda.is_available() else ""),
            remedy="give `--device cpu`",
        )
    return name


def checked_settings(kind: type[S], **values: Any) -> S:
    """Return settings of a kind; a value that cannot be is a sentence.

    Raises
    ------
    InputError
        Naming the option and what it must be.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else "the settings"
        problem = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{option} cannot be {first['input']!r}" if first["loc"] else problem,
            expected=problem if first["loc"] else None,
            remedy="change the option",
        ) from error
