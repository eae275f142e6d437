"""The command dnalm."""

import subprocess
import sys
from pathlib import Path


def dnalm(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline_lib.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_teaches(root: Path) -> None:
    text = dnalm("--help", cwd=root).stdout
    for command in ("config", "models", "import", "export", "results", "snakemake --cores 2"):
        assert command in text
    assert "Example" in dnalm("results", "--help", cwd=root).stdout


def test_check_says_fine_or_what_is_wrong(root: Path, tmp_path: Path) -> None:
    assert (
        "fine: models yeast-mini" in dnalm("config", "check", "config/config.yaml", cwd=root).stdout
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("pretraining: {leerning_rate: 1}\n")
    answer = dnalm("config", "check", "config/config.yaml", str(wrong), cwd=root)
    assert answer.returncode == 1
    assert "write `learning_rate`" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_results_without_a_run(tmp_path: Path) -> None:
    answer = dnalm("results", cwd=tmp_path)
    assert answer.returncode == 1
    assert "snakemake --cores 2" in answer.stdout
