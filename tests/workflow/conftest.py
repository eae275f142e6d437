"""A small project for real runs of the workflow: four yeast chromosomes, a tiny model."""

import copy
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysam
import pytest
import yaml

KEPT = {"NC_001133": "I", "NC_001135": "III", "NC_001138": "VI", "NC_001141": "IX"}
MITOCHONDRION = "NC_001224"

TINY: dict[str, Any] = {
    "run": {"models": ["tiny"], "tasks": ["starts"]},
    "seed": 7,
    "genome": {
        "assemblies": {
            "small": {"path": "data/small.fa.gz", "annotation": "data/small.gff3.gz"},
        }
    },
    "corpus": {
        "corpora": {
            "small": {
                "assemblies": ["small"],
                "passes": 1,
                "holdouts": {"valid": {"contigs": ["I"]}, "test": {"contigs": ["VI"]}},
            }
        }
    },
    "tokenizer": {"tokenizers": {"bpe256": {"corpus": "small", "vocab_size": 256}}},
    "shards": {"tokens_per_shard": 100_000, "documents_per_row_group": 2},
    "pretraining": {
        "models": {
            "tiny": {
                "corpus": "small",
                "tokenizer": "bpe256",
                "preset": "bert-mini",
                "architecture": {
                    "layers": 1, "width": 32, "heads": 2, "feedforward_width": 64,
                    "context_length": 128, "dropout": 0.1,
                },
                "steps": 60, "batch_size": 8, "warmup_steps": 5, "learning_rate": 1e-3,
                "validate_every": 20, "validation_sequences": 32, "checkpoint_every": 5,
            }
        }
    },
    "finetuning": {
        "tasks": {
            "starts": {
                "type": "translation_initiation_sites",
                "assembly": "small", "upstream": 60, "downstream": 60,
                "epochs": 1, "seeds": [1],
                "holdouts": {"valid": {"contigs": ["I"]}, "test": {"contigs": ["VI"]}},
            }
        }
    },
    "evaluation": {
        "markov_orders": [1, 2, 3], "max_bases": 20_000,
        "bootstrap_samples": 100, "baseline_kmers": [2], "cnn_bases": 100_000,
    },
}  # fmt: skip


@dataclass
class Project:
    """A folder with a configuration in which the workflow is run for real."""

    folder: Path
    root: Path
    values: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(TINY))
    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.write()

    def write(self) -> None:
        config = self.folder / "config" / "config.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump(self.values, sort_keys=False))

    def command(self, *arguments: str, cores: int = 2) -> list[str]:
        snakefile = str(self.root / "workflow" / "Snakefile")
        start = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
        return [*self.prefix, *start, "--cores", str(cores), *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def succeed(self, *arguments: str) -> str:
        answer = self.run(*arguments)
        assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-6000:]
        return answer.stdout + answer.stderr

    def planned(self, *arguments: str) -> set[str]:
        """Return the rules that a run would execute."""
        text = self.succeed("--dry-run", *arguments)
        table = text.rpartition("Job stats:")[2].strip().partition("\n\n")[0]
        rows = [line.split() for line in table.splitlines()[2:]]
        return {name for name, _ in rows} - {"total"}


@pytest.fixture(scope="session")
def small_genome(resources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with four chromosomes and the mitochondrion of yeast, and their GFF3."""
    folder = tmp_path_factory.mktemp("small")
    with (
        pysam.FastxFile(str(resources / "S288C_R64-2-1.fa.gz")) as records,
        gzip.open(folder / "small.fa.gz", "wt") as output,
    ):
        for record in records:
            if any(name in record.name for name in (*KEPT, MITOCHONDRION)):
                output.write(f">{record.name} {record.comment}\n{record.sequence}\n")
    seqids = {*KEPT.values(), "Mito"}
    with (
        gzip.open(resources / "S288C_R64-1-1.99.gff3.gz", "rt") as lines,
        gzip.open(folder / "small.gff3.gz", "wt") as output,
    ):
        output.writelines(line for line in lines if line.split("\t")[0] in seqids)
    return folder


@pytest.fixture(scope="session")
def new_project(
    small_genome: Path, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Project]:
    """Return a function that makes a project in a folder of its own."""

    def make(workflow_root: Path = root) -> Project:
        folder = tmp_path_factory.mktemp("project")
        (folder / "data").symlink_to(small_genome)
        return Project(folder, workflow_root)

    return make


@pytest.fixture(scope="session")
def finished(new_project: Callable[..., Project]) -> Project:
    """Return a project whose workflow has been run to the end, undisturbed. Do not change it.

    It was run without a network, as on the nodes of many clusters, where that can be had.
    """
    project = new_project()
    project.prefix = without_network()
    project.succeed()
    return project


def without_network() -> tuple[str, ...]:
    """Return what a command is started with to be cut off from all networks; nothing if it fails.

    Of root, or of anybody where the system lets them.
    """
    for options in ((), ("--user", "--map-root-user")):
        prefix = ("unshare", *options, "--net")
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return prefix
    return ()
