"""A run that is killed with -9 and started again ends with the files of an undisturbed run.

The environment variable KILLS sets how often each of the two runs is killed (10 for a full run).
"""

import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from tests.workflow.conftest import Project

KILLS = int(os.environ.get("KILLS", "3"))
SAME_BYTES = ("genome", "corpus", "tokenizer", "shards")


def kill_everything(process: subprocess.Popen[bytes]) -> None:
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.wait()


def digests(folder: Path, stage: str) -> dict[str, str]:
    files = sorted(file for file in (folder / "results" / stage).rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def interrupt(project: Project, seconds: float, only_snakemake: bool) -> bool:
    """Start a run and kill it after some seconds; return False if it had ended by then."""
    process = subprocess.Popen(
        project.command("--rerun-incomplete"),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is not None:
        return False
    if only_snakemake:
        process.kill()
        process.wait()
    else:
        kill_everything(process)
    project.run("--unlock")
    return True


@pytest.mark.parametrize("only_snakemake", [False, True], ids=["all", "snakemake-alone"])
def test_killed_runs_end_as_undisturbed_ones(
    new_project: Callable[..., Project], finished: Project, only_snakemake: bool
) -> None:
    project, moments, killed = new_project(), random.Random(3), 0
    for _ in range(KILLS):
        killed += interrupt(project, moments.uniform(4, 16), only_snakemake)
    assert killed >= 2
    project.succeed("--rerun-incomplete")
    for stage in SAME_BYTES:
        expected = digests(finished.folder, stage)
        assert expected
        assert digests(project.folder, stage) == expected
    weights = "results/pretraining/tiny/model/model.safetensors"
    ours, theirs = load_file(project.folder / weights), load_file(finished.folder / weights)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name] == tensor).all(), name
    assert not [file for file in project.folder.rglob("*.part.*") if "results" in file.parts]
