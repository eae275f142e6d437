"""Tasks of many types: found in files of their own, doubled by `protocol: both`, explained."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_lib.config import load_config, read_config
from pipeline_lib.config.loading import read_yaml
from pipeline_lib.config.needs import check_files, needed_assemblies
from pipeline_lib.config.task_files import located_task, source_files
from pipeline_lib.config.tasks import TASK_TYPES, StartSitesTask, TableTask, parse_task
from pipeline_lib.errors import ConfigError

Values = dict[str, Any]
MINE = {"type": "table", "file": "data/mine.csv"}


@pytest.fixture
def demo(root: Path) -> Values:
    values = read_yaml(root / "config" / "config.yaml")
    values["finetuning"]["tasks"]["mine"] = dict(MINE)
    return values


@pytest.fixture
def presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder `config/tasks` of the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "config" / "tasks"
    folder.mkdir(parents=True)
    return folder


def error_of(values: Values, tmp_path: Path) -> str:
    file = tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    with pytest.raises(ConfigError) as raised:
        read_config(file)
    return str(raised.value)


def test_the_type_decides_about_the_class(demo: Values) -> None:
    tasks = load_config(demo).finetuning.tasks
    assert isinstance(tasks["tis"], StartSitesTask) and isinstance(tasks["mine"], TableTask)
    assert set(TASK_TYPES) >= {"translation_initiation_sites", "table"}
    plain = tasks["mine"].model_dump(mode="json")
    assert parse_task(plain) == tasks["mine"]
    assert parse_task(tasks["mine"].example_settings()) == tasks["mine"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fil": 1}, ["`finetuning.tasks.mine.fil`", "write `file`"]),
        ({"shares": {"valid": 0.5, "test": 0.5}}, ["tasks.mine.shares`", "add up to 1"]),
        ({"type": "tabel"}, ["`finetuning.tasks.mine.type` is 'tabel'", "write `type: table`"]),
        ({"type": None}, ["`finetuning.tasks.mine.type` is None", "expected one of: "]),
        ({"kind": "klass"}, ["`finetuning.tasks.mine.kind` is 'klass'", "'labels'"]),
        ({"test": "b.csv"}, ["`finetuning.tasks.mine`", "go with `train`"]),
        ({"assembly": "hg38"}, ["`finetuning.tasks.mine.assembly` is 'hg38'", "S288C"]),
        ({"homology_kmer": 40}, ["`finetuning.tasks.mine.homology_kmer` is 40", "k-mers by which"]),
    ],
)
def test_wrong_keys_are_explained_without_the_type_in_their_path(
    demo: Values, tmp_path: Path, changes: Values, expected: list[str]
) -> None:
    demo["finetuning"]["tasks"]["mine"] |= changes
    text = error_of(demo, tmp_path)
    for part in [*expected, "changed.yaml, line "]:
        assert part in text
    assert "mine.table" not in text


def test_a_missing_type(demo: Values, tmp_path: Path) -> None:
    del demo["finetuning"]["tasks"]["mine"]["type"]
    text = error_of(demo, tmp_path)
    assert "`finetuning.tasks.mine.type` is missing; expected one of: " in text
    assert "changed.yaml, line " in text and "table" in text


def test_both_protocols_are_two_tasks(demo: Values) -> None:
    demo["finetuning"]["tasks"]["mine"]["protocol"] = "both"
    demo["run"]["tasks"] = ["mine", "tis"]
    config = load_config(demo)
    assert config.run.tasks == ("mine", "mine.paper", "tis")
    protocols = {name: task.protocol for name, task in config.finetuning.tasks.items()}
    assert protocols == {"mine": "strict", "mine.paper": "paper", "tis": "strict"}
    again = load_config(config.model_dump(mode="json"))
    assert again == config


def test_both_protocols_for_the_whole_section_and_paper_alone(demo: Values) -> None:
    alone = copy.deepcopy(demo)
    alone["run"]["tasks"] = ["mine.paper"]
    config = load_config(alone)
    assert config.run.tasks == ("mine.paper",)
    assert config.finetuning.tasks["mine.paper"].protocol == "paper"
    demo["finetuning"]["protocol"] = "both"
    assert load_config(demo).run.tasks == ("tis", "tis.paper")


def test_tasks_are_read_from_files_of_their_own(demo: Values, presets: Path) -> None:
    (presets / "other.yaml").write_text("type: table\nfile: a.csv\nprotocol: both\nepochs: 3\n")
    demo["run"]["tasks"] = ["other"]
    config = load_config(demo)
    assert config.run.tasks == ("other", "other.paper")
    assert config.finetuning.tasks["other.paper"].epochs == 3
    # Some keys may be changed; a whole task of this name takes the place of the file.
    demo["finetuning"]["tasks"]["other"] = {"epochs": 4, "protocol": "strict"}
    changed = load_config(demo).finetuning.tasks["other"]
    assert (changed.epochs, changed.paths()) == (4, [("file", "a.csv")])
    demo["finetuning"]["tasks"]["other"] = {"type": "table", "file": "b.csv"}
    assert load_config(demo).finetuning.tasks["other"].paths() == [("file", "b.csv")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type: table\nfile: a.csv\nepoks: 3\n", "other.yaml, line 3: unknown key `epoks`"),
        ("file: a.csv\n", "other.yaml: `type` is missing; expected one of: "),
        ("file: a.csv\ntype: tabel\n", "other.yaml, line 2: `type` is 'tabel'"),
        ("type: table\n", "other.yaml: `the configuration`; give either `file`"),
        ("- type\n", "other.yaml: holds list instead of keys and values"),
    ],
)
def test_a_wrong_file_of_a_task_is_named(
    demo: Values, presets: Path, tmp_path: Path, text: str, expected: str
) -> None:
    (presets / "other.yaml").write_text(text)
    demo["run"]["tasks"] = ["other"]
    assert expected in error_of(demo, tmp_path)


def test_an_unknown_task_names_the_nearest(demo: Values, presets: Path, tmp_path: Path) -> None:
    (presets / "promoters.yaml").write_text("type: table\nfile: a.csv\n")
    demo["run"]["tasks"] = ["promoter"]
    text = error_of(demo, tmp_path)
    assert "changed.yaml, line 4: `run.tasks` names 'promoter'" in text
    assert "write 'promoters'" in text and "or add config/tasks/promoter.yaml" in text


@pytest.mark.parametrize("name", ["pretraining", "zero"])
def test_names_of_other_results_are_refused(demo: Values, tmp_path: Path, name: str) -> None:
    demo["finetuning"]["tasks"] = {name: {"type": "table", "file": "a.csv"}}
    demo["run"]["tasks"] = [name]
    assert f"a task cannot be called {name!r}" in error_of(demo, tmp_path)


def test_files_of_a_task(
    root: Path, demo: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the working folder first, then from the workflow's; patterns give all their files."""
    here, workflow = tmp_path / "here", tmp_path / "workflow"
    for folder in (here, workflow):
        (folder / "data").mkdir(parents=True)
    monkeypatch.chdir(here)
    demo["run"]["tasks"] = ["mine"]
    config = load_config(demo)
    with pytest.raises(ConfigError, match=r"`finetuning.tasks.mine.file` is 'data/mine.csv'.*and"):
        check_files(config, root)
    (workflow / "data" / "mine.csv").write_text("a")
    task = config.finetuning.tasks["mine"]
    assert source_files(located_task(task, "mine", workflow)) == [workflow / "data/mine.csv"]
    (here / "data" / "mine.csv").write_text("a")
    assert source_files(located_task(task, "mine", workflow)) == [Path("data/mine.csv")]
    for name in ("b.fa", "a.fa"):
        (workflow / "data" / name).write_text("")
    values = {"type": "fasta_classes", "positive": ["data/*.fa"], "negative": ["data/a.fa"]}
    found = source_files(located_task(parse_task(values), "x", workflow))
    assert found == [workflow / "data" / name for name in ("a.fa", "b.fa")]


def test_tasks_without_an_assembly_need_no_genome(demo: Values) -> None:
    demo["run"]["tasks"] = ["mine"]
    demo["genome"]["assemblies"]["other"] = {"path": "absent.fa"}
    config = load_config(demo)
    assert needed_assemblies(config) == ["S288C"]  # of the corpus
    demo["finetuning"]["tasks"]["mine"]["assembly"] = "other"
    assert needed_assemblies(load_config(demo)) == ["S288C", "other"]


def test_all_shipped_tasks_can_be_named_in_a_run(root: Path, demo: Values) -> None:
    files = sorted((root / "config" / "tasks").glob("*.yaml"))
    demo["run"]["tasks"] = [file.stem for file in files]
    for file in files:
        values = read_yaml(file)
        source = {"path": "genome.fa", "annotation": "genes.gff3"}
        for name in (values.get("assembly"), *values.get("assemblies", ())):
            demo["genome"]["assemblies"] |= {name: source} if name else {}
    config = load_config(demo)
    bases = {name.removesuffix(".paper") for name in config.run.tasks}
    assert bases == {file.stem for file in files} and len(files) >= 50
