"""What every script of the workflow does around its one call.

Messages go to the rule's log and to the terminal; an error that the user can mend is one
sentence without a traceback; and the job does not outlive the Snakemake that started it.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from pipeline_lib.errors import DnalmError

ORPHAN_EXIT_CODE = 70


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the body of a rule's script: log, report errors, and stop with the parent.

    Parameters
    ----------
    snakemake
        The object Snakemake puts into a script's namespace.
    """
    follow_parent()
    log = Path(snakemake.log[0])
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[logging.FileHandler(log, mode="w"), logging.StreamHandler()],
    )
    try:
        yield
    except DnalmError as error:
        logging.error("%s: %s", snakemake.rule, error)
        sys.exit(1)
    except Exception:
        with log.open("a") as handle:
            traceback.print_exc(file=handle)
        raise


def follow_parent(interval: float = 1.0) -> None:
    """End this process when the Snakemake that started it is gone (killed with -9, say).

    Otherwise an orphan would go on writing the very files that the restarted workflow makes.
    The shell in between does survive its parent, so the ancestors are looked up by name.
    """
    ancestors = [process for process in psutil.Process().parents() if _is_snakemake(process)]
    if not ancestors:
        return
    parent = ancestors[0]

    def watch() -> None:
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(interval)
        os._exit(ORPHAN_EXIT_CODE)

    threading.Thread(target=watch, daemon=True, name="follow-parent").start()


def _is_snakemake(process: psutil.Process) -> bool:
    try:
        return any(Path(part).name.startswith("snakemake") for part in process.cmdline()[:4])
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return False


def folders(genomes: Iterable[str]) -> dict[str, Path]:
    """Return the folder of each assembly by name, from the genomes that a rule was given."""
    return {Path(genome).parent.name: Path(genome).parent for genome in genomes}


def optional(file: str | Sequence[str]) -> Path | None:
    """Return an input as a path; None for one that the configuration does not ask for."""
    return Path(str(file)) if file else None
