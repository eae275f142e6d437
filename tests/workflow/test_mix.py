"""A model that is trained on several corpora."""

import copy
import re
from collections.abc import Callable

import pytest

from tests.workflow.conftest import Project


@pytest.fixture
def mixed(new_project: Callable[..., Project]) -> Project:
    """Return a project of three corpora, of which a model has two."""
    project = new_project()
    corpora, models = (
        project.values["corpus"]["corpora"],
        project.values["pretraining"]["models"],
    )
    for name in ("again", "unused"):
        corpora[name] = copy.deepcopy(corpora["small"]) | {"passes": 2}
    models["tiny"]["mix"] = {"small": 1, "again": 0.5}
    project.values["run"]["tasks"] = []
    project.write()
    return project


def test_a_mix_is_trained_on_all_its_corpora_and_validated_on_one(mixed: Project) -> None:
    text = mixed.succeed("--dry-run", "pretraining")
    assert "To be trained" not in text
    job = re.search(r"rule pretraining_train:\n +input: (.*)\n", text)
    assert job is not None
    wanted = ["small/bpe256/train", "again/bpe256/train", "small/bpe256/valid"]
    folders = [word.rstrip(",") for word in job[1].split()]
    assert folders == [
        *(f"results/shards/{folder}" for folder in wanted),
        "results/tokenizer/bpe256/tokenizer.json",
    ]
    written = {line.split()[1] for line in text.splitlines() if "output: results/shards" in line}
    assert written == {f"results/shards/{folder}" for folder in wanted}


def test_what_training_will_take_is_said_before_the_first_job(mixed: Project) -> None:
    broken = mixed.folder / "broken.fa"
    broken.write_text("this is no FASTA file")
    mixed.values["genome"]["assemblies"]["small"]["path"] = str(broken)
    mixed.write()
    answer = mixed.run("pretraining")  # stops at the genome
    assert answer.returncode != 0
    text = answer.stdout + answer.stderr
    assert re.search(r"To be trained.*\n  tiny: [\d.]+ thousand weights.*\n  disk: .*\n", text)
    assert text.index("To be trained") < text.index("rule genome")
