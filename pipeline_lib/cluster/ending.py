"""How a job has ended, and what to say of it."""

import re
from dataclasses import dataclass
from pathlib import Path

from submitit.core.utils import pickle_load

from pipeline_lib.cluster.logs import Failure, first_failure, last_lines
from pipeline_lib.cluster.squeue import GONE, TAKEN_AWAY
from pipeline_lib.cluster.submission import log_files, result_files
from pipeline_lib.cluster.task import again_note, failure_notes
from pipeline_lib.cluster.work import Work

KILLED_TASK = re.compile(r"srun: error: .*: tasks? (\d+).*: (?:Killed|Segmentation|Aborted|Bus)")
REMEDIES = {
    "OUT_OF_MEMORY": "needs more memory. To fix: raise `slurm.memory_gb`",
    "CANCELLED": "was cancelled. It goes on from its last checkpoint when Snakemake is started "
    "again",
    GONE: "has left the queue without a result, and there are no accounts (sacct) that say why. "
    "It goes on from its last checkpoint when Snakemake is started again",
    "COMPLETED": "has ended without a result. To fix: start Snakemake again; if that does not "
    "help, look at its log",
}
OUT_OF_TIME = {
    True: "could not save its work before its time limit. To fix: raise `slurm.grace_seconds`",
    False: "came to its time limit. To fix: raise `slurm.hours`",
}


@dataclass(frozen=True)
class Ending:
    """How a job has ended.

    Attributes
    ----------
    done
        The work is done.
    again
        It is not, and another job can go on with it.
    certain
        There is no need to wait for notes that a slow file system may still hold back.
    sentence
        What went wrong.
    """

    done: bool = False
    again: bool = False
    certain: bool = True
    sentence: str = ""


def ending(work: Work, folder: Path, job: str, count: int, state: str) -> Ending:
    """Say how a job with so many processes has ended, by its last state and what it left.

    Parameters
    ----------
    folder
        Where its logs and notes are.
    state
        SLURM's word, such as ``FAILED``.
    """
    if work.done and all(map(_success, result_files(folder, job, count))):
        return Ending(done=True)
    if again_note(folder, job).exists():
        return Ending(again=True, certain=False, sentence=f"job {job} asked to be started again")
    if state in TAKEN_AWAY:
        return Ending(
            again=True, certain=False, sentence=f"job {job} lost its machine ({state.lower()})"
        )
    logs, failure = log_files(folder, job, count), first_failure(failure_notes(folder, job, count))
    if failure is not None and not failure.ours:
        place = f"process {failure.rank} of {count}, job {job}; {logs[failure.rank]}"
        return Ending(sentence=f"{failure.sentence} ({place})")
    rank, why = _blamed(failure, logs[0], count)
    if state == "TIMEOUT":
        why = OUT_OF_TIME[work.resumable]
    sentence = (
        f"job {job} {REMEDIES.get(state, why)}. The last lines of {logs[rank]}:\n"
        f"{last_lines(logs[rank])}"
    )
    return Ending(certain=failure is not None, sentence=sentence)


def _success(file: Path) -> bool:
    """Read what submitit has written when the function came back, or raised."""
    if not file.exists():
        return False
    return bool(pickle_load(file)[0] == "success")


def _blamed(failure: Failure | None, log: Path, count: int) -> tuple[int, str]:
    """Return the process that failed first, by its own note or by what srun says, and how."""
    if failure is not None:
        return failure.rank, f"failed in process {failure.rank} of {count}"
    match = KILLED_TASK.search(last_lines(log))
    if match is None:
        return 0, "failed"
    rank = min(int(match[1]), count - 1)
    return rank, f"failed: process {rank} of {count} was killed, for lack of memory perhaps"
