"""Reading the results of earlier stages, with a sentence for a file that is not one."""

import json
from pathlib import Path
from typing import Any

from pipeline_lib.errors import InputError


def read_result(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file and check that it has some keys.

    Raises
    ------
    InputError
        If the file is not JSON, or lacks a key.
    """
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise _unusable(path, f"cannot be read as JSON ({error})") from error
    missing = [key for key in keys if not isinstance(values, dict) or key not in values]
    if missing:
        raise _unusable(path, f"has no {', '.join(missing)}")
    return values  # type: ignore[no-any-return]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file with one JSON object per line.

    Raises
    ------
    InputError
        Naming the line that is not JSON.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise _unusable(path, f"line {number} cannot be read as JSON ({error})") from error
    return rows


def _unusable(path: Path, problem: str) -> InputError:
    return InputError(
        problem, path=path, remedy="delete the file and run snakemake again to remake it"
    )
