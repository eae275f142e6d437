"""Published presets: they can be planned, and hold out what was published."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import Project


@pytest.mark.parametrize("name", [
    "arabidopsis", "fly", "human_1000g", "human_kmers", "human_nucleotides", "human_t2t",
    "mammals", "multi", "nine_species", "promoters", "yeast",
])  # fmt: skip
def test_presets_can_be_planned(new_project: Callable[..., Project], name: str) -> None:
    project = new_project()
    shutil.rmtree(project.folder / "config")  # the workflow's own default lies below the preset
    preset = project.root / "config" / "species" / f"{name}.yaml"
    planned = project.planned("--configfile", str(preset))
    assert {"genome_prepare", "corpus_cut", "pretraining_train"} <= planned
    assert planned & {"shards_write", "shards_piece"}


def test_every_preset_is_tested(root: Path) -> None:
    found = {path.stem for path in (root / "config" / "species").glob("*.yaml")}
    marks = test_presets_can_be_planned.pytestmark  # type: ignore[attr-defined]
    assert found == set(marks[0].args[1])


def test_published_holdouts_have_their_published_sizes(root: Path) -> None:
    sizes = {}
    for path in (root / "resources" / "holdouts").glob("*.bed"):
        rows = [line.split("\t") for line in path.read_text().splitlines()]
        sizes[path.stem] = sum(int(end) - int(start) for _, start, end in rows)
    assert sizes == {"sacCer3": 861_100, "TAIR10": 11_182_947, "dm6": 11_463_658}


def test_no_preset_mixes_with_the_default(root: Path) -> None:
    """A corpus, tokenizer or model of the demo's name would be layered over the demo's."""
    default = yaml.safe_load((root / "config/config.yaml").read_text())
    for path in (root / "config" / "species").glob("*.yaml"):
        preset = yaml.safe_load(path.read_text())
        for section, entries in (
            ("genome", "assemblies"), ("corpus", "corpora"), ("tokenizer", "tokenizers"),
            ("pretraining", "models"),
        ):  # fmt: skip
            names = set(preset[section].get(entries, {}))
            assert not names & set(default[section][entries]), path.name
