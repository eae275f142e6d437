"""Examples of a task from its source, whatever its type: deterministic, checked and documented."""

import re

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config import load_config
from pipeline_lib.config.loading import read_yaml
from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.sequence import reverse_complement


@pytest.fixture
def enhancers(tmp_path, random_dna):
    """Write a table as the page on tasks describes it: 60 sequences of 20 genes, and a leak."""
    sequences = [random_dna(150, seed) for seed in range(60)]
    sequences[1] = reverse_complement(sequences[0].encode()).decode()
    table = pd.DataFrame(
        {
            "sequence": sequences,
            "class": np.where(np.arange(60) // 3 % 2, "enhancer", "other"),
            "gene": [f"g{row // 3}" for row in range(60)],
        }
    )
    path = tmp_path / "data" / "enhancers.csv"
    path.parent.mkdir()
    table.to_csv(path, index=False)
    return path


def test_the_page_on_tasks_tells_the_truth(root, tmp_path, monkeypatch, enhancers):
    text = (root / "docs" / "tasks.md").read_text()
    shown, *_ = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(shown.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    preset = tmp_path / "config" / "tasks" / "enhancers.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(shown)
    values = read_yaml(root / "config" / "config.yaml")
    values["run"]["tasks"] = ["enhancers"]
    task = load_config(values).finetuning.tasks["enhancers"]
    build_examples(tmp_path / "out", task, seed=1)
    examples = read_examples(tmp_path / "out" / "examples.parquet")
    assert examples.target.names == ("enhancer", "other")
    genes = pd.read_csv(enhancers).set_index("sequence")["gene"]
    splits = examples.table.groupby(genes[examples.table["sequence"]].to_numpy())["split"]
    assert len(examples) == 60 and (splits.nunique() == 1).all()
    stats = read_json(tmp_path / "out" / "stats.json")
    section = text.partition("how much leaks")[2].partition("\n## ")[0]
    keys = re.findall(r"^\| `(\w+)` \| ", section, flags=re.MULTILINE)
    assert len(keys) == 5 and set(keys) <= set(stats)
    assert stats["leak"] == {"exact": 0.0, "homologous": 0.0}


def test_the_same_seed_gives_the_same_files(tmp_path, enhancers):
    task = {"type": "table", "file": str(enhancers), "target": "class"}
    outputs = {}
    for name, seed, changes in (
        ("one", 1, {}),
        ("again", 1, {"epochs": 7}),  # nothing that examples depend on
        ("other", 2, {}),
        ("paper", 1, {"protocol": "paper"}),
    ):
        build_examples(tmp_path / name, parse_task(task | changes), seed=seed)
        files = sorted((tmp_path / name).iterdir())
        outputs[name] = [file.read_bytes() for file in files]
    assert outputs["one"] == outputs["again"]
    assert outputs["one"][0] != outputs["other"][0] != outputs["paper"][0]
    stats = read_json(tmp_path / "one" / "stats.json")
    assert list(stats["provenance"]["inputs"]) == ["0 enhancers.csv"]
    assert sum(sum(split.values()) for split in stats["examples"].values()) == stats["rows"] == 60


def test_too_few_examples_are_refused_before_anything_is_written(tmp_path, random_dna):
    path = tmp_path / "few.csv"
    path.write_text(
        "sequence,label\n" + "".join(f"{random_dna(30, i)},a\n" for i in range(9)) + "ACGTA,b\n"
    )
    task = parse_task({"type": "table", "file": str(path)})
    with pytest.raises(
        InputError, match=rf"{path}: split 'train' has no examples of class 'b'.*: give"
    ):
        build_examples(tmp_path / "out", task, seed=1)
    assert not (tmp_path / "out").exists()


def test_places_are_split_by_held_out_intervals(tmp_path, small_genome, random_dna):
    gene = "a test CDS 100 200 . + 0 ID=c"
    folder = small_genome({"a": random_dna(4000, 1), "b": random_dna(2000, 2)}, [gene])
    rows = [(name, start, start + 100) for name, end in (("a", 4000), ("b", 2000))
            for start in range(0, end, 100)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["contig", "start", "end"])
    table.assign(label=np.arange(60) % 2).to_csv(tmp_path / "places.tsv", sep="\t", index=False)
    (tmp_path / "held.bed").write_text("a\t0\t950\n")
    holdouts = {"valid": {"contigs": ["b"]}, "test": {"bed": str(tmp_path / "held.bed")}}
    values = {"type": "table", "file": str(tmp_path / "places.tsv"), "assembly": "mine"}
    task = parse_task({**values, "holdouts": holdouts})
    build_examples(tmp_path / "out", task, genome=folder, seed=1)
    found = read_examples(tmp_path / "out" / "examples.parquet").table
    expected = ["valid" if c == "b" else "test" if e <= 950 else "train" for c, _, e in rows]
    places = zip(found["contig"], found["start"], found["end"], strict=True)
    del expected[9], rows[9]  # a:900-1000 is held out in part
    assert list(places) == rows and found["split"].tolist() == expected
    stats = read_json(tmp_path / "out" / "stats.json")
    assert stats["rows_left_out"] == {"across the border of a holdout": 1}
    assert "genome" in stats["provenance"]["inputs"]
