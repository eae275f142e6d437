"""Which corpora a mix may name, and what they make needed."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_lib.config import Config, read_config
from pipeline_lib.config.loading import read_yaml
from pipeline_lib.config.needs import needed_assemblies, needed_corpora
from pipeline_lib.errors import ConfigError

Values = dict[str, Any]


@pytest.fixture
def read(root: Path, tmp_path: Path) -> Callable[..., Config]:
    """Return a function that reads the demo with three corpora and a mix."""

    def read(mix: dict[str, float], **second: Any) -> Config:
        values = read_yaml(root / "config" / "config.yaml")
        values["genome"]["assemblies"]["other"] = {"path": "other.fa"}
        corpora = values["corpus"]["corpora"]
        corpora["second"] = copy.deepcopy(corpora["yeast"]) | second
        corpora["unused"] = copy.deepcopy(corpora["yeast"])
        values["pretraining"]["models"]["yeast-mini"]["mix"] = mix
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(values))
        return read_config(file)

    return read


def test_a_mix_makes_its_corpora_needed(read: Callable[..., Config]) -> None:
    config = read({"second": 2}, assemblies=["other"])
    assert needed_corpora(config) == ["second", "yeast"]
    assert needed_assemblies(config) == ["S288C", "other"]
    assert config.pretraining.models["yeast-mini"].sources == {"second": 2}
    assert read({}).pretraining.models["yeast-mini"].sources == {"yeast": 1}
    assert needed_corpora(read({})) == ["yeast"]


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"yest": 1}, ["`pretraining.models.yeast-mini.mix`", "'yest'", "did you mean 'yeast'"]),
        ({"yeast": 0}, ["mix.yeast", "greater than 0"]),
        ({"yeast": -1.5}, ["mix.yeast", "-1.5"]),
    ],
)
def test_a_wrong_mix_is_explained(
    mix: dict[str, float], expected: list[str], read: Callable[..., Config]
) -> None:
    with pytest.raises(ConfigError) as raised:
        read(mix)
    assert all(part in str(raised.value) for part in expected), raised.value


def test_a_mix_does_not_train_on_held_out_sequence(read: Callable[..., Config]) -> None:
    mix = {"yeast": 1, "second": 1}
    half = {"valid": {"contigs": ["I", "III"]}, "test": {"contigs": ["VI"]}}
    with pytest.raises(ConfigError) as raised:
        read(mix, holdouts=half)
    assert "`corpus.corpora.second.holdouts` lacks IX of 'S288C'" in str(raised.value)
    # The same for either split, or for this assembly alone, or more: nothing of them is trained on.
    more = {"valid": {"contigs": ["VI", "I"]}, "test": {"contigs": ["IX", "S288C:III", "X"]}}
    read(mix, holdouts=more)
    # Another assembly has held-out sequence of its own.
    read(mix, holdouts=half, assemblies=["other"])
