"""A real SLURM on this machine, and processes that launch work on it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

SCRIPT = Path(__file__).with_name("cluster.sh")
PROGRAMS = ("slurmctld", "slurmd", "squeue", "munged")
PATIENCE = 240.0


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not seen in {seconds:.0f} s: {what}"
        time.sleep(0.1)


@dataclass
class Cluster:
    """The daemons, and what one asks of them."""

    folder: Path

    def script(self, *arguments: str) -> None:
        subprocess.run([SCRIPT, *arguments, self.folder], check=True, timeout=60)

    def ask(self, *command: str) -> str:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return answer.stdout

    def jobs(self, comment: str = "%j %i %T") -> list[str]:
        """Return what the queue says of all jobs, those that have ended included."""
        return self.ask("squeue", "-h", "-t", "all", "-S", "i", "-o", comment).splitlines()

    def back(self, node: str) -> bool:
        """Ask for a node that was down, and tell whether it can be used."""
        command = ["scontrol", "update", f"nodename={node}", "state=resume"]
        subprocess.run(command, capture_output=True, check=False)
        return "down" not in self.ask("sinfo", "-h", "-n", node, "-o", "%T")

    def pid(self, daemon: str) -> int:
        return int((self.folder / "pid" / daemon).read_text())


@dataclass
class Toy:
    """Toy work in a folder, and the process that waits for it."""

    folder: Path
    how: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, **arguments: Any) -> "Toy":
        slurm = {"poll_seconds": 0.5, "gpus": 0, "cpus": 1, "grace_seconds": 5, **self.how}
        how = {"launcher": "slurm", "processes": slurm.pop("processes", 2), "slurm": slurm}
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "waiting.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.cluster.launcher", str(self.folder),
                 json.dumps(how), json.dumps(arguments)],
                cwd=Path(__file__).parents[2], stdout=log, stderr=log,
            )  # fmt: skip
        return self

    def wait(self, seconds: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def succeed(self) -> None:
        assert self.wait() == 0, self.log[-3000:]

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def die(self) -> None:
        self.send(signal.SIGKILL)
        self.wait()

    @property
    def log(self) -> str:
        return (self.folder / "waiting.log").read_text()

    @property
    def result(self) -> str:
        return (self.folder / "result.txt").read_text()

    def starts(self, rank: int = 0) -> list[int]:
        """Return the steps at which a process began, one for each start."""
        file = self.folder / "checkpoints" / f"starts-{rank}"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def step(self, rank: int = 0) -> int:
        file = self.folder / "checkpoints" / f"count-{rank}"
        return int(file.read_text()) if file.exists() else 0

    def jobs(self) -> list[tuple[str, str]]:
        """Return number and state of all jobs that were ever submitted for it."""
        logs = self.folder / "checkpoints" / "logs"
        ids = sorted({file.name.split("_")[0] for file in logs.glob("*_submission.sh")}, key=int)
        command = ["squeue", "-h", "-t", "all", "-S", "i", "-o", "%i %T %j"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in answer.splitlines()]
        name = next(row[2] for row in rows if row[0] == ids[0])
        return [(row[0], row[1]) for row in rows if row[2] == name]

    def until_step(self, step: int) -> None:
        eventually(lambda: self.step() >= step, f"step {step}")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """Return a running SLURM of two nodes.

    Starting daemons as root is nothing that tests do unasked.
    """
    if os.environ.get("SLURM_TESTS") != "1":
        pytest.skip("starts a SLURM on this machine, as root: set SLURM_TESTS=1 to have it tested")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client)")
    if os.geteuid() != 0:
        pytest.skip("the daemons of SLURM are to start jobs, which takes root")
    # Not below pytest's folder, which is closed to the user that munge runs as.
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="slurm-")))
    try:
        cluster.script("up")
        yield cluster
    finally:
        cluster.script("down")
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def new_toy(
    slurm: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Toy]]:
    """Return a function that prepares toy work; what still waits for it is ended afterwards."""
    made: list[Toy] = []

    def make(name: str = "toy", **how: Any) -> Toy:
        made.append(Toy(tmp_path_factory.mktemp(name), how))
        return made[-1]

    yield make
    for toy in made:
        if toy.process is not None and toy.process.poll() is None:
            psutil.Process(toy.process.pid).kill()
            toy.process.wait()
