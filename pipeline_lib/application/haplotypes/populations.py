"""To which population the individuals of a panel belong."""

from pathlib import Path

import pandas as pd

from pipeline_lib.application.haplotypes.panel import individual
from pipeline_lib.errors import InputError

NAMES = ("Sample name", "sample", "Sample", "individual", "name")
POPULATIONS = (
    "Superpopulation code", "super_pop", "superpopulation", "population", "pop", "Population code",
)  # fmt: skip
UNKNOWN = "unknown"


def read_populations(path: Path, names: list[str]) -> list[str]:
    """Return the population of each haplotype; `unknown` where the table does not name it.

    Raises
    ------
    InputError
        If the table has no column of names or populations, or names nobody of the panel.
    """
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="check the path")
    try:
        table = pd.read_csv(path, sep="\t" if path.suffix != ".csv" else ",", dtype=str)
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be read as a table ({error})",
            path=path,
            expected="columns separated by tabs, with a header",
            remedy="save it as text with tabs",
        ) from error
    columns = [_column(table, wanted, path) for wanted in (NAMES, POPULATIONS)]
    # Some individuals stand in two populations, separated by a comma: the first is theirs.
    values = table[columns[1]].fillna(UNKNOWN).str.partition(",")[0]
    known = dict(zip(table[columns[0]], values, strict=True))
    found = [str(known.get(individual(name), known.get(name, UNKNOWN))) for name in names]
    if set(found) == {UNKNOWN}:
        raise InputError(
            f"names none of the individuals, such as {individual(names[0])!r}",
            path=path,
            remedy="give the table of these individuals",
        )
    return found


def _column(table: pd.DataFrame, wanted: tuple[str, ...], path: Path) -> str:
    for name in wanted:
        if name in table.columns:
            return name
    raise InputError(
        f"has the columns {', '.join(map(str, table.columns[:8]))}",
        path=path,
        where="line 1",
        expected=f"one named {' or '.join(wanted)}",
        remedy="name the columns so",
    )
