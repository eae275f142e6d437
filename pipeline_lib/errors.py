"""Errors written for the person who has to mend the input.

Every message names the file, the place in it, the value found, what was expected and the
one thing to change. Nothing but :class:`DnalmError` and its children is shown without a
traceback: anything else is a bug of ours.
"""

from pathlib import Path


class DnalmError(Exception):
    """Base of all errors that a user can mend."""


class InputError(DnalmError):
    """A file or a value given by the user cannot be used.

    Parameters
    ----------
    problem
        What is wrong, as a clause that reads well after the place, for example
        ``"record name 'chr1' appears twice"``.
    path
        The file concerned, where there is one.
    where
        The place in it: ``"line 12"``, ``"record 'chrI'"``.
    expected
        What would have been right.
    remedy
        The one thing to change, as an instruction.
    """

    def __init__(
        self,
        problem: str,
        *,
        path: str | Path | None = None,
        where: str | None = None,
        expected: str | None = None,
        remedy: str,
    ) -> None:
        self.problem, self.path, self.where = problem, path, where
        self.expected, self.remedy = expected, remedy
        place = ", ".join(str(part) for part in (path, where) if part is not None)
        text = f"{place}: {problem}" if place else problem
        if expected is not None:
            text += f"; expected {expected}"
        super().__init__(f"{text.rstrip('.')}. To fix: {remedy.rstrip('.')}.")


class ConfigError(InputError):
    """The configuration has an unknown key or an unusable value."""


class DownloadError(InputError):
    """A source could not be downloaded, or is not what was promised."""


class TrainingError(DnalmError):
    """Training cannot go on: non-finite loss, no usable batch, incompatible checkpoint."""
