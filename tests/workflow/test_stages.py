"""Each stage is a target of its name, and reruns what it must and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib import STAGES
from pipeline_lib.files import read_json
from tests.workflow.conftest import Project

WORK = {
    "genome": {"genome_prepare", "genome_annotate"},
    "corpus": {"corpus_build"},
    "tokenizer": {"tokenizer_train"},
    "shards": {"shards_write"},
    "pretraining": {"pretraining_train"},
    "finetuning": {"finetuning_examples", "finetuning_tune"},
    "evaluation": {
        "evaluation_markov", "evaluation_kmers", "evaluation_pretraining", "evaluation_task",
    },
}  # fmt: skip


def stage_of(rule: str) -> str:
    return rule.partition("_")[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_target_builds_just_that_far(new_project: Callable[..., Project], stage: str) -> None:
    planned = {stage_of(rule) for rule in new_project().planned("--", stage)} - {"all"}
    assert stage in planned
    assert planned <= set(STAGES[: STAGES.index(stage) + 1])


def test_a_finished_run_has_nothing_to_do(finished: Project) -> None:
    assert "Nothing to be done" in finished.succeed("--dry-run")
    scores = read_json(finished.folder / "results/evaluation/tiny/starts.json")["scores"]
    assert set(scores) == {"pretrained", "scratch", "kmer"}


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
    copy_of.succeed()
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert "0.0005" in (copy_of.folder / "results/pretraining/tiny/config.yaml").read_text()
    assert "Nothing to be done" in copy_of.succeed("--dry-run")


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
    copy_of.succeed("--", stage)
    assert stage not in {stage_of(rule) for rule in copy_of.planned()}
