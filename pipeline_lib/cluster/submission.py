"""A job for submitit: what is asked of ``sbatch``, and the script around the processes."""

import math
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from pipeline_lib.cluster.task import AT_LIMIT, Task, again_note
from pipeline_lib.cluster.work import Work
from pipeline_lib.config.launching import Launching, Parallel, Slurm
from pipeline_lib.errors import InputError

EARLIEST_NOTICE = 60
"""SLURM may tell a job of its time limit so many seconds earlier than asked."""
AFTER_REQUEUE = 600
"""Seconds that the script waits to be ended by the requeue it has asked for."""


def processes_per_node(how: Launching) -> int:
    """Return how many processes share a machine: as told, or one for each GPU."""
    if not isinstance(how, Parallel):
        return 1
    return how.processes or how.slurm.gpus or 1


def task_of(work: Work, how: Launching, folder: Path) -> Task:
    """Return what each process of the job calls."""
    slurm = how.slurm
    return Task(work.with_threads(slurm.cpus), folder, slurm.hours, slurm.grace_seconds)


def submit(task: Task, how: Launching, *, job_name: str, comment: str) -> str:
    """Submit a job, and return its number.

    Raises
    ------
    InputError
        If the time limit leaves no time to work.
    FailedJobError, FailedSubmissionError
        If ``sbatch`` fails; the message ends with what it says.
    """
    task.folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.SlurmExecutor(task.folder, python=how.slurm.python)
    executor.update_parameters(
        **options(how, task.folder), job_name=job_name, comment=comment, wckey=None
    )
    with _outside_of_jobs():
        return str(executor.submit(task).job_id)


def options(how: Launching, folder: Path) -> dict[str, Any]:
    """Return the options of a job, by submitit's names."""
    slurm, processes = how.slurm, processes_per_node(how)
    _check_time(slurm)
    extra = {key: value for key, value in slurm.extra.items() if value is not False}
    wanted = {
        "nodes": slurm.nodes,
        "ntasks_per_node": processes,
        "gpus_per_node": slurm.gpus or None,
        "cpus_per_task": slurm.cpus,
        "mem": f"{math.ceil(slurm.memory_gb * 1024)}M" if slurm.memory_gb else None,
        "time": math.ceil(60 * slurm.hours),
        "partition": slurm.partition,
        "account": slurm.account,
        "qos": slurm.qos,
        "constraint": slurm.constraint,
        "signal_delay_s": slurm.grace_seconds,
        "stderr_to_stdout": True,
        # The note by which the last start asked for this one goes before any process leaves
        # another. The number of threads that is inherited is that of the rule, which waits. A
        # failing line of the user's must not keep the lines after the processes from running.
        "setup": [
            f"rm -f {_again_path(folder)}",
            f"export OMP_NUM_THREADS={slurm.cpus}",
            *slurm.setup,
            "set +e",
        ],
        # Since SLURM 22.05 a step is not told by itself how many cores its processes have.
        "srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={slurm.cpus}"],
        "teardown": _after_processes(folder),
        "additional_parameters": {"requeue": True, **extra},
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _after_processes(folder: Path) -> list[str]:
    """Return the lines of the job's script that ask for another start if the work wants it.

    A process that was told to stop before it could listen, while Python was being loaded, has
    been ended by the signal: it has lost nothing, and is started again too.
    """
    again = " || ".join(
        [f"[ -e {_again_path(folder)} ]", *(f"[ $status = {128 + n} ]" for n in AT_LIMIT)]
    )
    return [
        "status=$?",
        f'if {again}; then scontrol requeue "$SLURM_JOB_ID" && sleep {AFTER_REQUEUE}; fi',
        "exit $status",
    ]


def _again_path(folder: Path) -> str:
    """Return the path of the note that asks for another start, for the job's script."""
    note = again_note(folder.absolute(), "JOB")
    return f'{shlex.quote(str(note.parent))}/"{note.name.replace("JOB", "${SLURM_JOB_ID}")}"'


def _check_time(slurm: Slurm) -> None:
    seconds = 3600 * slurm.hours
    if seconds < slurm.grace_seconds + EARLIEST_NOTICE:
        raise InputError(
            f"`slurm.hours` is {slurm.hours:g}, and a job is to save its work "
            f"{slurm.grace_seconds} seconds before its end: no time is left to work",
            expected="more than `grace_seconds` and another minute",
            remedy="raise `slurm.hours`, or lower `slurm.grace_seconds`",
        )


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide that this process may run in a job itself: what that one has is not asked for again."""
    own = {
        key: value
        for key, value in os.environ.items()
        if key.startswith("SLURM_") and key != "SLURM_CONF" and "SLURM_JOB_ID" in os.environ
    }
    for key in own:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(own)


def give_work(task: Task, job: str) -> None:
    """Give a job its work if the process that submitted it died before it could."""
    path = JobPaths(task.folder, job_id=job).submitted_pickle
    if not path.exists():
        temporary = path.with_name(f".{path.name}.part")
        DelayedSubmission(task).dump(temporary)
        temporary.replace(path)


def result_files(folder: Path, job: str, count: int) -> list[Path]:
    """Return the files that the processes of a job write when their work is done."""
    return [JobPaths(folder, job_id=job, task_id=rank).result_pickle for rank in range(count)]


def log_files(folder: Path, job: str, count: int) -> list[Path]:
    """Return the logs of the processes of a job; the first holds those of its script as well."""
    return [JobPaths(folder, job_id=job, task_id=rank).stdout for rank in range(count)]


def reason_of(error: Exception) -> str:
    """Return what ``sbatch`` said."""
    lines = [line for line in str(error).splitlines() if "sbatch:" in line]
    said = lines or [line for line in str(error).splitlines() if line.strip()] or ["no reason"]
    return " ".join(line.replace("sbatch: error:", "").strip() for line in said)


SubmissionErrors = (FailedJobError, FailedSubmissionError, subprocess.SubprocessError)
