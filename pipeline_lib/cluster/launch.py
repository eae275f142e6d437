"""Carry out long work where its settings say: here, or in a job of SLURM."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

from pipeline_lib.cluster.local import run_here
from pipeline_lib.cluster.work import Work
from pipeline_lib.config.launching import Launching, Parallel


def launch(work: Work, how: Launching, directory: Path, name: str) -> None:
    """Carry out some work, and come back when it is done.

    Parameters
    ----------
    how
        Where it runs, and in how many processes.
    directory
        Folder of its results; logs and notes go to ``checkpoints`` below it.
    name
        What the work is called in messages, and in the queue of SLURM.

    Raises
    ------
    TrainingError
        If it failed: why, the last lines of the failing process's log, and where the log is.
    Stopped
        If it was stopped by a signal, after it was saved.
    """
    folder = directory / "checkpoints" / "logs"
    if how.launcher == "slurm":
        from pipeline_lib.cluster.slurm import run_in_job  # submitit is needed for nothing else

        run_in_job(work, how, folder, name)
    elif (processes := processes_here(how)) > 1:
        run_here(work, processes, folder)
    else:
        work.call()


def processes_here(how: Launching) -> int:
    """Return how many processes share the work on this machine: one for each GPU, or one."""
    if not isinstance(how, Parallel):
        return 1
    return how.processes or visible_gpus() or 1


def visible_gpus() -> int:
    """Count the GPUs of this machine that may be used; torch, slow to import, is not asked."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        # An index below 0 hides itself and all that follow it.
        names = [part.strip() for part in chosen.split(",")]
        return len(list(itertools.takewhile(lambda name: name and name[0] != "-", names)))
    if shutil.which("nvidia-smi") is None:
        return 0
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())
