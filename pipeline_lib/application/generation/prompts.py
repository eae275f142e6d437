"""What sequences begin with."""

from collections.abc import Mapping
from pathlib import Path

from pipeline_lib.application.fasta import open_genome
from pipeline_lib.errors import InputError

NO_PROMPT = "none"
_BASES = frozenset("ACGT")


def read_prompts(prompt: str, path: Path | None) -> dict[str, str]:
    """Return prompts by name: the records of a FASTA file, or the one given.

    Raises
    ------
    InputError
        If one holds anything but A, C, G and T.
    """
    if path is None:
        return {"prompt" if prompt else NO_PROMPT: checked(prompt, "--prompt", None)}
    records = open_genome(path)
    found = {}
    for name, length in records.contigs.items():
        letters = records.fetch(name, 0, length).decode()
        found[name] = checked(letters, f"record {name!r}", path)
    if not found:
        raise InputError("holds no prompts", path=path, remedy="give FASTA with sequences")
    return found


def checked(letters: str, where: str, path: Path | None) -> str:
    """Return a prompt in upper case.

    Raises
    ------
    InputError
        Naming the first letter that is no base.
    """
    upper = letters.upper().replace("U", "T")
    for place, letter in enumerate(upper):
        if letter not in _BASES:
            raise InputError(
                f"base {place + 1:,} is {letter!r}",
                path=path,
                where=where,
                expected="A, C, G and T",
                remedy="give a prompt without gaps and ambiguity codes",
            )
    return upper


def read_numbers(values: Mapping[str, float]) -> float | None:
    """Return the wanted share of G and C, the one number that models are trained with; or None.

    Raises
    ------
    InputError
        If a number has another name, or cannot be.
    """
    for name, value in values.items():
        if name != "gc" or not 0 <= value <= 1:
            raise InputError(
                f"`{name}={value}` is no number that a model was trained with",
                expected="`gc`, the share of G and C, between 0 and 1",
                remedy="give for example `--number gc=0.4`",
            )
    return values.get("gc")
