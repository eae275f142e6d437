"""The benchmarks that are to run elsewhere run, and the tables made of them are current."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch


def load(root: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"benchmarks_{name}", root / f"benchmarks/{name}.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_on_scaling_has_the_figures_of_the_code(root: Path) -> None:
    scaling = load(root, "scaling")
    page = (root / "docs" / "scaling.md").read_text()
    assert "| gena-lm-bert-base-t2t |" in page
    assert scaling.replace(page, "derived", scaling.derived()) == page, (
        "run `python benchmarks/scaling.py --write`"
    )


def test_the_benchmark_of_gpus_runs_small_models_anywhere(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = load(root, "gpu")
    names = ["bert-mini"]
    file = tmp_path / "rows.json"
    gpu.main(["--mini", "--only", *names, "--tokens", "600", "--steps", "2", "--json", str(file)])
    rows = json.loads(file.read_text())
    assert [row["preset"] for row in rows] == 2 * names
    assert not any(row["compiled"] for row in rows)
    for row in rows:
        assert row["note"] == "" and row["inputs"] == max(1, 600 // row["length"])
        assert row["tokens_per_second"] > 0 and row["first_seconds"] > 0
        assert 0 < row["of_products"] < 3
    table = capsys.readouterr().out
    assert table.count("\n| bert-mini | 128 | ") == 2

    presets, variants = {"bert-mini": {}}, (("fp32", False),)
    (row,) = gpu.benchmark(presets, variants, torch.device("cpu"), seconds=0.001, tokens=600)
    assert row.note == "left out: the time was up" and not row.tokens_per_second
    assert gpu.line(row).count("|") == gpu.HEAD.split("\n")[0].count("|")
