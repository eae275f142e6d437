"""Progress on long work: a bar on a terminal, an occasional line in a log file."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T], description: str, *, total: int | None = None, unit: str = "it"
) -> Iterable[T]:
    """Iterate over ``items`` while showing how far the work has come."""
    return tqdm(items, desc=description, total=total, unit=unit, **_style())


@contextmanager
def progress_bar(description: str, *, total: int | None, unit: str) -> Iterator["tqdm[None]"]:
    """Yield a bar whose ``update(n)`` is called by hand, for bytes, bases or tokens."""
    with tqdm(desc=description, total=total, unit=unit, unit_scale=True, **_style()) as bar:
        yield bar


def _style() -> dict[str, Any]:
    # In a log file a bar redrawn ten times a second is noise: one line every 20 s is enough.
    on_terminal = sys.stderr.isatty()
    return {
        "mininterval": 0.5 if on_terminal else 20.0,
        "maxinterval": 1.0 if on_terminal else 40.0,
        "dynamic_ncols": on_terminal,
        "leave": True,
    }
