"""Work in a job of SLURM, and the small process that waits for it.

The waiting process may be killed at any time: started again, it finds its job by its name and by
what was asked for, and waits for it instead of submitting another.
"""

import hashlib
import logging
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pipeline_lib.cluster import submission
from pipeline_lib.cluster.ending import Ending, ending
from pipeline_lib.cluster.logs import Follower
from pipeline_lib.cluster.squeue import Entry, Patient, accounted_state, cancel, cancel_all
from pipeline_lib.cluster.work import Work, fingerprint
from pipeline_lib.config.launching import Launching
from pipeline_lib.errors import InputError, TrainingError
from pipeline_lib.files import read_json, write_json
from pipeline_lib.stopping import Stopped

logger = logging.getLogger(__name__)
CANCELLED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNSURE = re.compile("contact|timed out|timeout|connect", re.IGNORECASE)
"""What ``sbatch`` says when it does not know whether the job was taken."""
NAP_SECONDS = 0.5
MOST_PATIENCE = 60.0
"""Seconds until what a job has written is seen through a network file system."""


def run_in_job(work: Work, how: Launching, folder: Path, name: str) -> None:
    """Submit a job that does the work, or find the one submitted before, and wait for its end.

    Parameters
    ----------
    folder
        Where the logs of the job go.

    Raises
    ------
    InputError
        If SLURM is not there, or refuses the job.
    TrainingError
        If the job failed.
    Stopped
        After TERM, INT or HUP; the job is cancelled then, and saves its work.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "`launcher: slurm`, but SLURM's commands (sbatch, squeue) are not found",
            remedy="start Snakemake on a machine of the cluster, or set `launcher: local`",
        )
    with _cancelling_signals() as received:
        Waiting(work, how, folder.absolute(), name, received).run()


class Waiting:
    """One piece of work, and the jobs that do it one after another.

    Parameters
    ----------
    folder
        Where their logs go, as an absolute path.
    received
        Signals that have come: after the first, the job is cancelled.
    """

    def __init__(
        self, work: Work, how: Launching, folder: Path, name: str, received: list[int]
    ) -> None:
        self.work, self.how, self.folder, self.received = work, how, folder, received
        place = hashlib.sha256(f"{folder.resolve()}\n{name}".encode()).hexdigest()[:10]
        self.job_name = f"dnalm-{name}-{place}"
        self.asked = fingerprint(work)
        self.note = folder.parent / "job.json"
        self.task = submission.task_of(work, how, folder)
        self.processes = how.slurm.nodes * submission.processes_per_node(how)
        self.patience = min(MOST_PATIENCE, 4 * how.slurm.poll_seconds)
        self.slurm = Patient(self._pause)
        self.said = ""

    def run(self) -> None:
        """See the work through."""
        try:
            end = self._earlier_end()
            while not end.done:
                found = self._earlier_job()
                end = self._wait(found or self._submit(), attached=bool(found))
                if not end.done and not end.again:
                    raise TrainingError(end.sentence)
                if end.again:
                    logger.warning("%s; another job is submitted to go on", end.sentence)
            self.note.unlink(missing_ok=True)
        except Stopped:
            if not cancel_all(self.job_name):
                logger.error("the job may not be cancelled: `scancel --name=%s`", self.job_name)
            raise

    def _earlier_end(self) -> Ending:
        """Return how a job for the same work ended while nobody waited for it."""
        note = self._noted()
        if note.get("asked") != self.asked:
            return Ending()
        end = ending(self.work, self.folder, note["job"], self.processes, "")
        if end.done:
            logger.info("job %s has done the work meanwhile", note["job"])
        return Ending(done=end.done)

    def _earlier_job(self) -> str | None:
        """Return a job for the same work that is still under way; cancel all others.

        Two jobs must not write to one folder: others are waited for until they are gone.
        """
        note, current = self._noted(), None
        for entry in reversed(self._settled()):
            asked = note.get("asked") if entry.id == note.get("job") else entry.comment
            if not entry.unfinished:
                continue
            if asked == self.asked and current is None:
                current = entry.id
                continue
            logger.warning("job %s is cancelled: its settings are not those of now", entry.id)
            cancel(entry.id)
        self._settled()
        if current:
            logger.info("job %s was submitted before; waiting for it", current)
            submission.give_work(self.task, current)
            write_json(self.note, {"job": current, "asked": self.asked})
        return current

    def _settled(self) -> list[Entry]:
        """Return our jobs, once none of them is just being ended or requeued."""
        while True:
            found = self.slurm.entries(self.job_name)
            leaving = [entry for entry in found if entry.state == "COMPLETING"]
            if not leaving:
                return found
            self._say(leaving[0])
            self._pause()

    def _submit(self) -> str:
        while True:
            try:
                job = submission.submit(
                    self.task, self.how, job_name=self.job_name, comment=self.asked
                )
            except submission.SubmissionErrors as error:
                reason = submission.reason_of(error)
                if not self.received and not UNSURE.search(reason):
                    raise InputError(
                        f"SLURM refuses the job: {reason}",
                        remedy="change the settings under `slurm` (partition, account, gpus, "
                        "hours and others)",
                    ) from error
                logger.warning("SLURM does not say whether it took the job (%s)", reason)
                self._pause()
                job = self._earlier_job() or ""
            if job:
                write_json(self.note, {"job": job, "asked": self.asked})
                logger.info("submitted job %s (%s)", job, self.job_name)
                return job

    def _wait(self, job: str, *, attached: bool) -> Ending:
        """Wait for the end of a job, and pass on what its first process says from now on."""
        log, ended = submission.log_files(self.folder, job, 1)[0], 0.0
        follower = Follower(log, from_end=attached)
        while True:
            follower.pass_on()
            found = [entry for entry in self.slurm.entries(self.job_name) if entry.id == job]
            if found and found[0].unfinished:
                self._say(found[0])
                ended = 0.0
            else:
                ended = ended or time.monotonic()
                state = found[0].state if found else accounted_state(job)
                end = ending(self.work, self.folder, job, self.processes, state)
                late = time.monotonic() - ended >= self.patience
                if end.done or late or (end.certain and found):
                    follower.finish()
                    return end
            self._pause()

    def _say(self, entry: Entry) -> None:
        """Say what has become of the job, if that is new."""
        text = f"job {entry.id} {entry.what}"
        if text != self.said:
            logger.log(logging.WARNING if entry.held else logging.INFO, "%s", text)
            self.said = text

    def _noted(self) -> dict[str, str]:
        try:
            note: dict[str, str] = read_json(self.note)
        except (InputError, FileNotFoundError):
            return {}
        return note

    def _pause(self) -> None:
        """Wait until it is time to ask again.

        Raises
        ------
        Stopped
            If a signal has come.
        """
        until = time.monotonic() + self.how.slurm.poll_seconds
        while time.monotonic() < until and not self.received:
            time.sleep(min(NAP_SECONDS, self.how.slurm.poll_seconds))
        if self.received:
            raise Stopped(self.received[0])


@contextmanager
def _cancelling_signals() -> Iterator[list[int]]:
    """Note the signals by which Snakemake, a person or a closed terminal end this process."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in CANCELLED_BY}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
