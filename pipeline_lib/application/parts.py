"""Long work in parts that are kept: what was killed goes on, and ends with the same output."""

import fcntl
import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_json

Arrays = dict[str, NDArray[Any]]

log = logging.getLogger(__name__)


class Parts:
    """Results of finished parts, in a hidden folder beside the output.

    Made by :func:`parts_of`. The order in which parts are asked for does not matter.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, number: int, compute: Callable[[], Arrays]) -> Arrays:
        """Return a part as it was kept, or compute and keep it.

        Parameters
        ----------
        number
            Of the part, from 0 on.
        compute
            Called if the part is not there yet, or is damaged.

        Returns
        -------
        dict of str to ndarray
            Arrays of numbers or fixed-width text, by name.
        """
        path = self.folder / f"{number:07d}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as content:
                    return {name: content[name] for name in content.files}
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):
                log.warning("%s is damaged and is computed again", path)
        found = compute()
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, **found)  # type: ignore[arg-type]  # its stub knows `allow_pickle`
        return found

    @property
    def kept(self) -> int:
        """How many parts are done."""
        return len(list(self.folder.glob("[0-9]*.npz")))


@contextmanager
def parts_of(output: Path, identity: Mapping[str, Any]) -> Iterator[Parts]:
    """Yield the parts of an output; they are removed once the block ends without an error.

    Parameters
    ----------
    output
        What is being made. Its parts lie beside it in ``.OUTPUT.parts``, so that they outlive a
        workflow that removes the outputs of a failed job.
    identity
        Whatever decides about the output: settings, checksums of model and inputs, as plain
        values. Parts that were made from anything else are removed.

    Raises
    ------
    InputError
        If another process is making the same output.
    """
    folder = output.with_name(f".{output.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        _lock(lock, output)
        _same_or_empty(folder, json.loads(json.dumps(identity, default=str)))
        parts = Parts(folder)
        if kept := parts.kept:
            log.info("%s: %s parts are done already; going on", output, f"{kept:,}")
        yield parts
        shutil.rmtree(folder)


def _lock(lock: IO[str], output: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            "another process is making this output",
            path=output,
            remedy="wait for it to end, or write to another file",
        ) from error
    except OSError:  # a file system without locks
        log.warning("%s: its folder has no locks: do not start this twice", output)


def _same_or_empty(folder: Path, identity: Mapping[str, Any]) -> None:
    about = folder / "identity.json"
    try:
        known = json.loads(about.read_text())
    except (OSError, ValueError):
        known = None
    if known == identity:
        return
    found = list(folder.glob("*.npz"))
    if found:
        log.info("%s: settings or inputs have changed; beginning anew", folder)
    for file in found:
        file.unlink()
    write_json(about, identity)
