"""The workflow runs in another folder, as a module, and over layered configurations."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.workflow.conftest import Project


def test_in_another_folder_with_the_embedded_genome(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path)]
    answer = subprocess.run(
        [*command, "--", "genome"], cwd=root, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert (tmp_path / "results/genome/S288C/genome.fa.gz.gzi").exists()
    assert not (root / "results/genome/S288C" / tmp_path.name).exists()


def test_as_a_module_of_another_workflow(new_project: Callable[..., Project]) -> None:
    project = new_project()
    snakefile = project.folder / "Snakefile"
    snakefile.write_text(
        f"""
configfile: "config/config.yaml"


module dnalm:
    snakefile:
        "{project.root}/workflow/Snakefile"
    config:
        config


use rule * from dnalm as dnalm_*


rule count_contigs:
    default_target: True
    input:
        "results/genome/small/contigs.tsv",
    output:
        "contigs.txt",
    shell:
        "wc -l < {{input}} > {{output}}"
"""
    )
    command = project.command()
    command[command.index("--snakefile") + 1] = str(snakefile)
    answer = subprocess.run(
        command,
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert (project.folder / "contigs.txt").read_text().strip() == "6"


def test_a_species_file_layers_over_the_default(new_project: Callable[..., Project]) -> None:
    project = new_project()
    upper = project.folder / "species.yaml"
    upper.write_text(yaml.safe_dump({"genome": {"min_contig_length": 300_000}}))
    project.succeed("--configfile", "species.yaml", "--", "genome")
    table = (project.folder / "results/genome/small/contigs.tsv").read_text()
    assert "shorter than 300,000" in table


def test_only_what_the_run_needs_is_built(new_project: Callable[..., Project]) -> None:
    project = new_project()
    other = dict(project.values["genome"]["assemblies"]["small"], path="data/absent.fa")
    project.values["genome"]["assemblies"]["unused"] = other
    project.write()
    assert "genome_prepare" in project.planned("--", "genome")


def test_a_wrong_configuration_stops_before_any_job(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.values["pretraining"]["leerning_rate"] = 1
    project.write()
    answer = project.run()
    assert answer.returncode != 0
    for part in ("config/config.yaml", "`pretraining.leerning_rate`", "write `learning_rate`"):
        assert part in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (project.folder / "results").exists()


def test_a_missing_genome_is_named_before_any_job(new_project: Callable[..., Project]) -> None:
    project = new_project()
    project.values["genome"]["assemblies"]["small"]["path"] = "data/lost.fa"
    project.write()
    answer = project.run()
    assert answer.returncode != 0
    assert "`genome.assemblies.small.path` is 'data/lost.fa', but there is no such" in answer.stderr
    assert not (project.folder / "results").exists()


def test_an_error_of_a_stage_is_a_sentence(new_project: Callable[..., Project]) -> None:
    project = new_project()
    (project.folder / "data").unlink()
    (project.folder / "data").mkdir()
    (project.folder / "data/small.fa.gz").write_text("<!DOCTYPE html><html>Not found</html>")
    (project.folder / "data/small.gff3.gz").write_text("##gff-version 3\n")
    answer = project.run("--", "genome")
    assert answer.returncode != 0
    assert "HTML" in answer.stderr
    assert "To fix:" in answer.stderr
    assert not list((project.folder / "results/genome/small").glob("*"))
    shutil.rmtree(project.folder)
