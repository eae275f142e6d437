"""The workflow on a real SLURM: stages in jobs of Snakemake, training in jobs of its own."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.slurm.conftest import Cluster, eventually
from tests.workflow.conftest import Project, new_project, small_genome  # noqa: F401

STEPS = 500
SLOWLY = """
import sys, threading, time

def slow():
    while not hasattr(sys.modules.get("pipeline_lib.pretraining.loop"), "train"):
        time.sleep(0.01)
    loop = sys.modules["pipeline_lib.pretraining.loop"]
    genuine = loop._step
    def step(*arguments):
        time.sleep(0.1)
        return genuine(*arguments)
    loop._step = step

threading.Thread(target=slow, daemon=True).start()
"""
"""Makes the steps of a job take a tenth of a second, so that it can be disturbed on any machine."""
LOCAL = {"launcher": "local", "processes": 2}
IN_JOBS: dict[str, Any] = {
    "launcher": "slurm",
    "processes": 2,
    "slurm": {"gpus": 0, "cpus": 1, "poll_seconds": 0.5, "hours": 1, "grace_seconds": 30},
}
ALONE = {**{key: value for key, value in IN_JOBS.items() if key != "processes"}}
PROFILE = ("--workflow-profile", "{root}/workflow/profiles/slurm",
           # A job takes 9 to 14 seconds on two idle cores: the first look finds it at its end.
           "--slurm-init-seconds-before-status-checks", "15", "--latency-wait", "5",
           "--", "evaluation")  # fmt: skip


def weights(project: Project) -> dict[str, torch.Tensor]:
    return load_file(project.folder / "results/pretraining/tiny/model/model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def with_shards(new_project: Callable[..., Project]) -> Project:  # noqa: F811
    """Return a project made up to its shards, and its model trained in two processes here."""
    project = new_project()
    project.values["pretraining"] |= LOCAL
    project.values["pretraining"]["models"]["tiny"] |= {
        "steps": STEPS, "validate_every": 100, "checkpoint_every": 8,
    }  # fmt: skip
    project.write()
    project.succeed("--", "pretraining")
    return project


def again_in_jobs(project: Project) -> dict[str, torch.Tensor]:
    """Have the model trained again, in slow jobs; return the weights it had."""
    before = weights(project)
    (project.folder / "slow").mkdir()
    (project.folder / "slow" / "sitecustomize.py").write_text(SLOWLY)
    setup = [f"export PYTHONPATH={project.folder}/slow:$PYTHONPATH"]
    subprocess.run(["rm", "-r", project.folder / "results" / "pretraining"], check=True)
    project.values["pretraining"] |= {**IN_JOBS, "slurm": {**IN_JOBS["slurm"], "setup": setup}}
    project.write()
    return before


def start(project: Project) -> subprocess.Popen[bytes]:
    subprocess.run([*project.command(), "--unlock"], cwd=project.folder, check=True,
                   env=project.environment(), capture_output=True)  # fmt: skip
    with (project.folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            project.command("--rerun-incomplete", "--", "pretraining"), cwd=project.folder,
            env=project.environment(), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def test_a_run_that_meets_everything_ends_with_the_same_weights(
    slurm: Cluster, with_shards: Project
) -> None:
    project = with_shards
    undisturbed = again_in_jobs(project)
    checkpoints = project.folder / "results/pretraining/tiny/checkpoints"

    def step() -> int:
        return max((int(folder.name[5:]) for folder in checkpoints.glob("step-*")), default=0)

    def later() -> None:
        before = step()
        eventually(lambda: step() > before, f"a checkpoint after step {before}")
        assert step() < STEPS, "the run was over before it could be disturbed"

    def job() -> str:
        return yaml.safe_load((checkpoints / "job.json").read_text())["job"]

    process = start(project)
    later()
    first = job()
    waiting = [
        child.memory_info().rss
        for child in psutil.Process(process.pid).children(recursive=True)
        if "pretraining_train" in child.cmdline()[-1]
    ]
    assert waiting
    assert max(waiting) < 200e6
    print(f"the waiting process: {max(waiting) / 1e6:.0f} MB")
    slurm.ask("scancel", "--signal=USR2", first)  # as before a time limit
    later()
    slurm.ask("scontrol", "requeue", first)
    later()
    node = slurm.ask("squeue", "-h", "-j", first, "-o", "%N").strip()
    slurm.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
    eventually(lambda: slurm.back(node), "the node")
    later()
    process.kill()  # Snakemake alone: what it started ends by itself
    process.wait()
    later()
    process = start(project)
    log = project.folder / "run.log"
    eventually(lambda: f"job {first} was submitted before" in log.read_text(), "the job again")
    later()
    text = log.read_text()
    assert set(re.findall(r"submitted job (\d+)", text)) == {first}
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
    process.wait(60)
    eventually(lambda: not slurm.ask("squeue", "-h"), "the end of the job")
    project.values["pretraining"] |= IN_JOBS  # as fast as it goes
    project.write()
    process = start(project)
    assert process.wait(240) == 0, log.read_text()[-3000:]
    assert same(weights(project), undisturbed)
    assert len(set(re.findall(r"submitted job (\d+)", log.read_text()))) == 2


def test_every_stage_in_jobs(slurm: Cluster, new_project: Callable[..., Project]) -> None:  # noqa: F811
    project = new_project()
    project.values["pretraining"] |= IN_JOBS
    project.values["finetuning"] |= ALONE
    project.write()
    text = project.succeed(*(part.format(root=project.root) for part in PROFILE))
    in_jobs = set(re.findall(r"slurm_logs/(?:rule|group)_([a-z_]+)/", text))
    groups = {"genomes_genome_annotate_genome_prepare", "cuts_corpus_cut"}
    rules = {"corpus_plan", "corpus_build", "tokenizer_train", "shards_write", "evaluation_task"}
    assert groups | rules <= in_jobs
    assert not in_jobs & {"pretraining_train", "finetuning_tune"}  # these have submitted their own
    assert len(re.findall(r"submitted job \d+ \(dnalm-tiny", text)) == 3
    assert (project.folder / "results/evaluation/tiny/starts.json").exists()
    # How the work is carried out is no reason to do it again.
    project.values["pretraining"] |= {**LOCAL, "processes": 1}
    project.values["finetuning"]["slurm"] = {"partition": "low"}
    project.write()
    assert "Nothing to be done" in project.succeed("--dry-run", "--", "evaluation")
