"""Costs that are said before training, beside what training then takes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline_lib.config import load_architecture, read_config
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.loading import read_yaml
from pipeline_lib.config.pretraining import Model
from pipeline_lib.config.root import Config
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.average import RunningMean
from pipeline_lib.pretraining.cost import GPUS, cost_lines, training_cost, vocabulary_size
from pipeline_lib.pretraining.optimizer import make_optimizers
from pipeline_lib.tokenizer.kmers import kmer_words

WORDS = 24


def model(**changes: Any) -> Model:
    values = {"corpus": "toy", "tokenizer": "toy", "preset": "bert-mini", "batch_size": 8}
    return Model(**{**values, **changes})


def shape(root: Path, name: str, **changes: object) -> AnyArchitecture:
    return load_architecture(name, changes, [root / "config" / "models"])


@pytest.mark.parametrize(
    "values",
    [
        *({"kind": "kmer", "vocabulary": v, "k": k} for v in ("dnalm", "dnagpt", "logo")
          for k in (1, 3, 5)),
        {"kind": "nucleotide"}, {"kind": "nucleotide", "vocabulary": "hyenadna"},
    ],
    ids=str,
)  # fmt: skip
def test_sizes_of_vocabularies_are_known_without_making_them(values: dict[str, Any]) -> None:
    settings = Tokenizer(corpus="toy", **values)
    assert vocabulary_size(settings) == len(kmer_words(settings))


@pytest.mark.parametrize("name", ["bert-mini", "logo-mini", "hyena-mini"])
@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "average_decay": 0.9}], ids=str)
def test_a_checkpoint_has_the_bytes_of_its_tensors(
    name: str, changes: dict[str, Any], root: Path
) -> None:
    settings, architecture = model(**changes), shape(root, name)
    trained = build_model(architecture, WORDS)
    optimizers = make_optimizers(trained, settings)
    for parameter in trained.parameters():
        parameter.grad = torch.ones_like(parameter)
    for optimizer in optimizers:
        optimizer.step()
    kept = [value for optimizer in optimizers for state in optimizer.state.values()
            for value in state.values() if value.ndim]  # fmt: skip
    weights = list(trained.parameters())
    tensors = [*weights, *weights, *kept]  # as they are, and as they were best
    if settings.average_decay is not None:
        tensors += RunningMean(trained, settings.average_decay).state_dict()["weights"].values()
    cost = training_cost(settings, architecture, WORDS)
    assert cost.checkpoint_bytes == sum(tensor.nbytes for tensor in tensors)
    assert cost.disk_bytes == 3 * cost.checkpoint_bytes
    assert cost.model_bytes == 4 * cost.weights == 4 * sum(weight.numel() for weight in weights)


def test_hours_of_a_published_model_are_of_the_published_size(root: Path) -> None:
    """GENA-LM's base model took 2 million steps, and about 5 days on 8 A100."""
    published = model(steps=2_000_000, batch_size=256)
    cost = training_cost(published, shape(root, "gena-lm-bert-base-t2t"), 32_000)
    assert cost.tokens == 2_000_000 * 256 * 512
    hours = cost.gpu_hours(GPUS["A100"])
    assert hours is not None and 5 * 24 * 8 / 5 < hours < 5 * 24 * 8
    assert cost.gpu_hours(GPUS["A100"], 0.2) == pytest.approx(2 * hours)
    assert cost.gpu_hours("a GPU of tomorrow") is None


def test_a_run_by_the_clock_has_no_number_of_tokens(root: Path) -> None:
    cost = training_cost(model(minutes=5), shape(root, "bert-mini"), WORDS)
    assert cost.tokens is None and cost.gpu_hours(GPUS["A100"]) is None


@pytest.fixture
def demo(root: Path) -> tuple[Config, dict[str, AnyArchitecture]]:
    config = read_config(root / "config" / "config.yaml")
    models = config.pretraining.models.items()
    return config, {name: shape(root, entry.preset, **entry.architecture) for name, entry in models}


def test_what_is_said_of_the_demo(
    demo: tuple[Config, dict[str, AnyArchitecture]], tmp_path: Path
) -> None:
    assert cost_lines([], *demo) == []
    first, line, disk = cost_lines(["yeast-mini"], *demo, tmp_path / "results")
    assert "40% is taken to be used" in first
    assert line.startswith("  yeast-mini: 346 thousand weights, 4.1 million tokens, ")
    assert "less than 0.1 GPU-hours" in line and "shared by" not in line
    assert "up to 18 MB of" in disk and "shards" not in disk
    folder = tmp_path / "results" / "shards" / "yeast" / "bases" / "train"
    folder.mkdir(parents=True)
    (folder / "part-00000.parquet").write_bytes(bytes(5_000_000))
    assert cost_lines(["yeast-mini"], *demo, tmp_path / "results")[-1].endswith(
        "; their shards take 5 MB"
    )


def test_what_is_said_of_a_large_run_on_a_cluster(root: Path, tmp_path: Path) -> None:
    values = read_yaml(root / "config" / "config.yaml")
    values["pretraining"]["models"]["yeast-mini"] |= {
        "preset": "bert-large", "architecture": {}, "steps": 1_000_000, "batch_size": 256,
        "launcher": "slurm", "slurm": {"nodes": 2, "gpus": 4},
    }  # fmt: skip
    values["pretraining"]["models"]["timed"] = {
        "corpus": "yeast", "tokenizer": "bases", "preset": "bert-mini", "minutes": 1.5,
    }  # fmt: skip
    config = Config(**values)
    models = config.pretraining.models.items()
    shapes = {name: shape(root, entry.preset) for name, entry in models}
    _, large, timed, _ = cost_lines(["yeast-mini", "timed"], config, shapes, tmp_path)
    assert "304 million weights, 131 billion tokens" in large
    assert "GPU-hours on an A100 or" in large and ", shared by 8 GPUs;" in large
    assert "1.5 minutes by the clock" in timed
