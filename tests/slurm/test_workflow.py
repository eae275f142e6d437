"""The workflow on a real SLURM: stages in jobs of Snakemake, training in jobs of its own."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.slurm.conftest import Cluster, eventually
from tests.workflow.conftest import Project, new_project, small_genome  # noqa: F401

STEPS = 400
SLOWLY = """
import os, sys, threading, time

def slow():
    while not hasattr(sys.modules.get("pipeline_lib.pretraining.loop"), "train"):
        time.sleep(0.01)
    loop = sys.modules["pipeline_lib.pretraining.loop"]
    genuine = loop._step
    def step(training, *others):
        time.sleep(float(os.environ["SECONDS_A_STEP"]) if training.step < 280 else 5)
        return genuine(training, *others)
    loop._step = step

threading.Thread(target=slow, daemon=True).start()
"""
"""Makes the steps of a job take longer, the last ones most: no machine is so slow that the job is
over before it was disturbed."""
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


MODELS: dict[str, dict[str, Any]] = {
    "tiny": {},
    "limited": {"learning_rate": 2e-3},  # meets its time limit again and again
    "shared": {"parallel": "fsdp"},  # meets what befalls all of them
}


def weights(project: Project) -> dict[str, dict[str, torch.Tensor]]:
    folder = project.folder / "results/pretraining"
    return {name: load_file(folder / name / "model/model.safetensors") for name in MODELS}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def with_shards(new_project: Callable[..., Project]) -> Project:  # noqa: F811
    """Return a project made up to its shards, its models trained in two processes each here."""
    project = new_project()
    tiny = project.values["pretraining"]["models"]["tiny"]
    tiny |= {"steps": STEPS, "validate_every": 100, "checkpoint_every": 8}
    models = {name: {**tiny, **other} for name, other in MODELS.items()}
    project.values["pretraining"] = {**LOCAL, "models": models}
    project.values["run"]["models"] = list(MODELS)
    project.write()
    project.succeed("--", "pretraining")
    return project


def again_in_jobs(project: Project) -> dict[str, dict[str, torch.Tensor]]:
    """Have the models trained again, in slow jobs; return the weights they had."""
    before = weights(project)
    (project.folder / "slow").mkdir()
    (project.folder / "slow" / "sitecustomize.py").write_text(SLOWLY)
    slowly = [f"export PYTHONPATH={project.folder}/slow:$PYTHONPATH SECONDS_A_STEP=0.1"]
    more_slowly = [slowly[0].replace("0.1", "0.25")]
    subprocess.run(["rm", "-r", project.folder / "results" / "pretraining"], check=True)
    pretraining, slurm = project.values["pretraining"], IN_JOBS["slurm"]
    pretraining |= {**IN_JOBS, "slurm": {**slurm, "setup": slowly}}
    # Two minutes, and the word 85 seconds before: SLURM says it 5 to 35 seconds after the start.
    limits = {"hours": 2 / 60, "grace_seconds": 60, "extra": {"signal": "USR2@85"}}
    pretraining["models"]["limited"]["slurm"] = {**slurm, **limits, "setup": more_slowly}
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


@dataclass
class Run:
    """One of the models that are trained."""

    checkpoints: Path

    @property
    def step(self) -> int:
        steps = self.checkpoints.glob("step-*")
        return max((int(folder.name[5:]) for folder in steps), default=0)

    @property
    def job(self) -> str:
        return str(yaml.safe_load((self.checkpoints / "job.json").read_text())["job"])

    def goes_on(self) -> None:
        before = self.step
        eventually(lambda: self.step > before, f"a checkpoint after step {before}")
        assert self.step < STEPS, "the run was over before it could be disturbed"


def restarts(slurm: Cluster, job: str) -> int:
    found = re.search(r"Restarts=(\d+)", slurm.ask("scontrol", "show", "job", job))
    return int(found[1]) if found else 0


def test_runs_that_meet_everything_end_with_the_same_weights(
    slurm: Cluster, with_shards: Project
) -> None:
    project = with_shards
    undisturbed = again_in_jobs(project)
    folder = project.folder / "results/pretraining"
    tiny, limited, shared = (Run(folder / name / "checkpoints") for name in MODELS)
    runs, log = (tiny, limited, shared), project.folder / "run.log"

    process = start(project)
    for run in runs:  # all at the same time
        run.goes_on()
    jobs = {run.job for run in runs}
    waiting = [
        child.memory_info().rss
        for child in psutil.Process(process.pid).children(recursive=True)
        if "pretraining_train" in child.cmdline()[-1]
    ]
    assert len(waiting) == len(runs)
    assert max(waiting) < 200e6
    print(f"the waiting processes: {max(waiting) / 1e6:.0f} MB")

    # It runs again each time before anything else: a node lost under a job that is being ended or
    # started makes SLURM hold the job.
    for command in (("scancel", "--signal=USR2"), ("scontrol", "requeue")):  # time limit, requeue
        before = log.read_text().count(f"job {tiny.job} runs")
        slurm.ask(*command, tiny.job)
        eventually(
            lambda: log.read_text().count(f"job {tiny.job} runs") > before,  # noqa: B023
            "the job again",
        )
        tiny.goes_on()
    node = slurm.ask("squeue", "-h", "-j", tiny.job, "-o", "%N").strip()
    slurm.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
    eventually(lambda: slurm.back(node), "the node")
    tiny.goes_on()

    controller = psutil.Process(slurm.pid("slurmctld"))
    controller.terminate()
    eventually(lambda: log.read_text().count("SLURM does not answer") == 3, "SLURM's silence")
    psutil.wait_procs([controller], timeout=20)
    slurm.script("start", "slurmctld")
    eventually(lambda: log.read_text().count("SLURM answers again") == 3, "SLURM's answer")
    shared.goes_on()

    process.kill()  # Snakemake alone: what it started ends by itself
    process.wait()
    shared.goes_on()
    process = start(project)
    for job in jobs:
        eventually(lambda: f"job {job} was submitted before" in log.read_text(), "the job again")  # noqa: B023
    shared.goes_on()
    eventually(lambda: restarts(slurm, limited.job) >= 2, "its time limit, twice")
    limited.goes_on()
    assert set(re.findall(r"submitted job (\d+)", log.read_text())) == jobs

    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
    process.wait(60)
    eventually(lambda: not slurm.ask("squeue", "-h"), "the end of the jobs")
    assert {run.step for run in runs}.isdisjoint({0, STEPS})
    for model in project.values["pretraining"]["models"].values():
        model.pop("slurm", None)
    project.values["pretraining"] |= IN_JOBS  # as fast as it goes
    project.write()
    process = start(project)
    assert process.wait(900) == 0, log.read_text()[-3000:]
    assert len(set(re.findall(r"submitted job (\d+)", log.read_text()))) == 2 * len(runs)
    ended = weights(project)
    assert [name for name in MODELS if not same(ended[name], undisturbed[name])] == []


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
