"""A wrong configuration stops with a sentence that says what to mend."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.config import load_architecture, load_config, read_config
from pipeline_lib.config.loading import merge, read_yaml
from pipeline_lib.errors import ConfigError

Values = dict[str, Any]


@pytest.fixture(scope="module")
def demo(root: Path) -> Values:
    return read_yaml(root / "config" / "config.yaml")


def message(demo: Values, tmp_path: Path, change: Callable[[Values], Any]) -> str:
    """Write a changed demo configuration, and return the error that it gives."""
    import yaml

    values = copy.deepcopy(demo)
    change(values)
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    with pytest.raises(ConfigError) as raised:
        read_config(file)
    text = str(raised.value)
    assert str(file) in text
    return text


def set_key(path: str, value: Any) -> Callable[[Values], None]:
    def change(values: Values) -> None:
        *parents, last = path.split("/")
        for parent in parents:
            values = values[parent]
        values[last] = value

    return change


MODEL = "pretraining/models/yeast-mini"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("pretraining/leerning_rate", 1, ["`pretraining.leerning_rate`", "1", "`learning_rate`"]),
        (f"{MODEL}/leerning_rate", 1, [".yeast-mini.leerning_rate`", "write `learning_rate`"]),
        ("genomes", {}, ["`genomes`", "write `genome`"]),
        (f"{MODEL}/learning_rate", -1, ["is -1", "greater than 0", "Peak learning rate"]),
        ("pretraining/steps", "many", ["`pretraining.steps` is 'many'", "integer"]),
        (
            f"{MODEL}/schedule",
            "stairs",
            ["'linear', 'cosine', 'constant' or 'warmup_stable_decay'"],
        ),
        (f"{MODEL}/corpus", "yest", ["'yest'", "one of: yeast", "did you mean 'yeast'"]),
        ("run/models", ["mini"], ["`run.models`", "'mini'", "yeast-mini"]),
        ("run/tasks", ["tss"], ["`run.tasks`", "tis"]),
        ("corpus/corpora/yeast/assemblies", ["S288c"], ["did you mean 'S288C'"]),
        ("corpus/corpora/yeast/sentence_length", [9, 2], ["first number, 9, is larger"]),
        ("corpus/corpora/yeast/holdouts", {}, ["holdouts.valid", "neither contigs nor a BED"]),
        (
            "genome/assemblies/S288C/url",
            "https://x.org/a.fa",
            ["exactly one of them; `path` and `url` is given"],
        ),
        ("genome/assemblies/S288C/sha256", "abc", ["sha256", "pattern"]),
        ("genome/assemblies/S288C/annotation", None, ["`genome.assemblies.S288C.annotation`"]),
        ("tokenizer/tokenizers/bpe4096/vocab_size", 70_000, ["70000", "65000"]),
    ],
)
def test_wrong_values_are_explained(
    demo: Values, tmp_path: Path, path: str, value: Any, expected: list[str]
) -> None:
    text = message(demo, tmp_path, set_key(path, value))
    for part in expected:
        assert part in text


def test_the_line_of_the_key_is_named(demo: Values, tmp_path: Path) -> None:
    text = message(demo, tmp_path, set_key(f"{MODEL}/batch_size", 0))
    lines = (tmp_path / "changed.yaml").read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "batch_size: 0" in text)
    assert f"line {line}:" in text


def test_the_file_that_holds_the_bad_key_is_named(root: Path, tmp_path: Path) -> None:
    upper = tmp_path / "species.yaml"
    upper.write_text("seed: 1\nfinetuning:\n  epoks: 3\n")
    with pytest.raises(ConfigError, match=r"species.yaml, line 3: .*write `epochs`"):
        read_config(root / "config" / "config.yaml", upper)


def test_broken_yaml_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("seed: 1\nrun: {models: [a\n")
    with pytest.raises(ConfigError, match=r"broken.yaml, line \d+: not valid YAML"):
        read_config(file)


def test_a_list_is_no_configuration(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("- a\n")
    with pytest.raises(ConfigError, match="list instead of keys and values"):
        read_config(file)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: no such file"):
        read_config(tmp_path / "nowhere.yaml")


def test_settings_of_a_section_are_defaults_of_its_entries(demo: Values) -> None:
    values = merge(demo, {"corpus": {"passes": 7, "gap_length": 25}})
    yeast = load_config(values).corpus.corpora["yeast"]
    assert yeast.gap_length == 25
    assert yeast.passes == demo["corpus"]["corpora"]["yeast"]["passes"]


@pytest.mark.parametrize("folder", ["config/species", "config"])
def test_shipped_configurations_are_valid(root: Path, folder: str) -> None:
    base = root / "config" / "config.yaml"
    for file in sorted((root / folder).glob("*.yaml")):
        config = read_config(base, file)
        for name in config.run.models:
            model = config.pretraining.models[name]
            load_architecture(model.preset, model.architecture, [root / "config" / "models"])


def test_unknown_preset_names_the_nearest(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model preset 'bert-bse'.*write 'bert-base'"):
        load_architecture("bert-bse", {}, [root / "config" / "models"])


def test_changes_to_a_preset(root: Path) -> None:
    folders = [root / "config" / "models"]
    assert load_architecture("bert-base", {"layers": 3}, folders).layers == 3
    with pytest.raises(ConfigError, match="`width` 100 is not a multiple of `heads` 12"):
        load_architecture("bert-base", {"width": 100}, folders)
    with pytest.raises(ConfigError, match="write `layers`"):
        load_architecture("bert-base", {"layer": 3}, folders)
