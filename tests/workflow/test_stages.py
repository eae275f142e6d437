"""Each stage is a target of its name, and reruns what it must and nothing else.

A run that is killed with -9 and started again ends with the files of an undisturbed run; the
environment variable KILLS sets how often it is killed (10 for a full run).
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.numpy import load_file

from pipeline_lib import STAGES
from pipeline_lib.files import read_json
from tests.workflow.conftest import Project

KILLS = int(os.environ.get("KILLS", "2"))
SAME_BYTES = ("genome", "corpus", "tokenizer", "shards")
WORK = {
    "genome": {"genome_prepare", "genome_annotate"},
    "corpus": {"corpus_build"},
    "tokenizer": {"tokenizer_train"},
    "shards": {"shards_write"},
    "pretraining": {"pretraining_train"},
    "finetuning": {"finetuning_examples", "finetuning_tune"},
    "evaluation": {
        "evaluation_markov", "evaluation_kmers", "evaluation_cnn", "evaluation_pretraining",
        "evaluation_task",
    },
}  # fmt: skip


def stage_of(rule: str) -> str:
    return rule.partition("_")[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_target_builds_just_that_far(new_project: Callable[..., Project], stage: str) -> None:
    planned = {stage_of(rule) for rule in new_project().planned("--", stage)} - {"all"}
    assert stage in planned
    assert planned <= set(STAGES[: STAGES.index(stage) + 1])


def test_no_stage_needs_a_network(finished: Project) -> None:
    if not finished.prefix:
        pytest.skip("this system lets nobody cut a command off from the network (unshare --net)")
    code = "import socket; socket.create_connection(('127.0.0.1', 1), 1)"
    answer = subprocess.run(
        [*finished.prefix, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in answer.stderr
    assert (finished.folder / "results" / "report" / "summary.html").exists()


def test_a_finished_run_has_nothing_to_do(finished: Project) -> None:
    assert "Nothing to be done" in finished.succeed("--dry-run")
    scores = read_json(finished.folder / "results/evaluation/tiny/starts.json")["scores"]
    assert set(scores) == {"pretrained", "scratch", "kmer", "cnn", "constant"}


@pytest.fixture
def copy_of(finished: Project, tmp_path: Path) -> Project:
    """Return a copy of the finished project, with a copy of the code, to be changed."""
    code = tmp_path / "code"
    for part in ("pipeline_lib", "workflow", "config"):
        shutil.copytree(finished.root / part, code / part)
    shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", code)


def test_a_changed_learning_rate_reruns_pretraining_and_what_follows(copy_of: Project) -> None:
    before = {
        file: file.stat().st_mtime_ns
        for stage in ("genome", "corpus", "tokenizer", "shards")
        for file in (copy_of.folder / "results" / stage).rglob("*")
    }
    copy_of.values["pretraining"]["learning_rate"] = 5e-4
    del copy_of.values["pretraining"]["models"]["tiny"]["learning_rate"]
    copy_of.write()
    planned = {rule for rule in copy_of.planned() if stage_of(rule) in WORK}
    assert planned == {
        "pretraining_train", "finetuning_tune", "evaluation_pretraining", "evaluation_task",
    }  # fmt: skip
    copy_of.succeed("--", "pretraining")
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert "0.0005" in (copy_of.folder / "results/pretraining/tiny/config.yaml").read_text()
    assert "pretraining_train" not in copy_of.planned()


@pytest.mark.parametrize("stage", ["tokenizer", "evaluation"])
def test_edited_code_reruns_its_stage_and_what_follows(copy_of: Project, stage: str) -> None:
    package = copy_of.root / "pipeline_lib" / stage
    file = next(file for file in sorted(package.glob("*.py")) if file.stem != "__init__")
    text = file.read_text()

    file.write_text(text + "\n# a remark changes nothing\n")
    assert "Nothing to be done" in copy_of.succeed("--dry-run")

    file.write_text(text + "\nA_NEW_CONSTANT = 1\n")
    planned = {stage_of(rule) for rule in copy_of.planned()} & set(STAGES)
    assert stage in planned
    assert planned <= set(STAGES[STAGES.index(stage) :])
    if stage == "tokenizer":  # the shortest of all to run
        copy_of.succeed("--", stage)
        assert stage not in {stage_of(rule) for rule in copy_of.planned()}


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


def test_a_killed_run_ends_as_an_undisturbed_one(
    new_project: Callable[..., Project], finished: Project
) -> None:
    """Killed with -9, in turn the whole tree of processes and Snakemake alone."""
    project, moments, killed = new_project(), random.Random(3), 0
    for number in range(KILLS):
        killed += interrupt(project, moments.uniform(4, 16), only_snakemake=bool(number % 2))
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
