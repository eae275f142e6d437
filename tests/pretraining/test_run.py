"""Pretraining as a whole: it learns, stops and goes on as if nothing had happened."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.errors import InputError, TrainingError
from pipeline_lib.pretraining.run import pretrain
from tests.pretraining.toys import recipe

SHAPE = Architecture(
    layers=1, width=16, heads=2, feedforward_width=32, context_length=24, dropout=0.1, init_std=0.1
)


def model_settings(**changes: object) -> Model:
    values = {
        "corpus": "toy", "tokenizer": "toy", "preset": "x", "steps": 20, "batch_size": 6,
        "warmup_steps": 3, "learning_rate": 3e-3, "log_every": 4, "validate_every": 7,
        "validation_sequences": 16, "checkpoint_every": 3,
    }  # fmt: skip
    return Model(**{**values, **changes})


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> tuple[Path, Path, Path]:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


def run(data: tuple[Path, Path, Path], directory: Path, seed: int = 1, **changes: object) -> None:
    settings = model_settings(**changes)
    pretrain(recipe(data, settings, SHAPE, seed), directory, threads=1)


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model" / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def lines(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(data: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed")
    run(data, directory)
    return directory


def test_it_learns_and_its_folder_loads_in_transformers(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    run(
        data, tmp_path, steps=1500, validate_every=500, checkpoint_every=1500, learning_rate=1e-2,
        log_every=500,
    )  # fmt: skip
    losses = [line["valid_loss"] for line in lines(tmp_path) if "valid_loss" in line]
    assert losses[-1] < 0.7 * math.log(8)  # eight words follow each other in a circle
    AutoModelForMaskedLM.from_pretrained(tmp_path / "model")
    assert "from_pretrained" in (tmp_path / "model" / "README.md").read_text()
    assert "sha256" not in (tmp_path / "config.yaml").read_text()
    assert "learning_rate: 0.01" in (tmp_path / "config.yaml").read_text()


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("step", [1, 3, 4, 11, 19])
def test_interrupted_at_any_step_the_weights_are_the_same(
    data: tuple[Path, Path, Path],
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    from pipeline_lib.pretraining import loop

    genuine, count = loop._step, 0

    def failing(*arguments: object) -> tuple[float, float, float, int]:
        nonlocal count
        count += 1
        if count > step:
            raise Interrupted
        return genuine(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", failing)
        with pytest.raises(Interrupted):
            run(data, tmp_path)
    torch.rand(5)  # the state of the generator must not matter
    run(data, tmp_path)
    assert same(tmp_path, undisturbed)
    keys = [(line["step"], "loss" in line) for line in lines(tmp_path)]
    assert keys == [(line["step"], "loss" in line) for line in lines(undisturbed)]


def test_other_settings_start_anew(data: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run(data, tmp_path)
    run(data, tmp_path, learning_rate=1e-4)
    assert len(list(tmp_path.glob("checkpoints-*"))) == 1
    run(data, tmp_path / "fresh", learning_rate=1e-4)
    assert same(tmp_path, tmp_path / "fresh")


def test_accumulation_gives_the_step_of_the_whole_batch(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    shape = SHAPE.model_copy(update={"dropout": 0.0})
    for name, parts in (("whole", 1), ("parts", 3)):
        settings = model_settings(steps=4, accumulation=parts)
        pretrain(recipe(data, settings, shape), tmp_path / name, threads=1)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.allclose(one[name], other[name], atol=2e-5) for name in one)


def test_soft_masked_bases_that_weigh_nothing_are_not_learnt(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """The tests' token 6 is lower-case: without weight, the model does not learn to say it."""
    said = {}
    for weight in (1.0, 0.0):
        folder = tmp_path / str(weight)
        run(data, folder, steps=60, checkpoint_every=60, repeat_weight=weight)
        state = weights(folder)
        said[weight] = state["cls.predictions.bias"][6] - state["cls.predictions.bias"][7]
    assert said[0.0] < said[1.0] - 0.01


def test_a_loss_that_is_not_finite_names_the_batch(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(
        TrainingError, match=r"at step \d+, in a batch with toy chr1:\d+-\d+.*4 times in a row"
    ):
        run(data, tmp_path, steps=200, learning_rate=1e30, warmup_steps=0, schedule="constant")


def test_a_tokenizer_of_another_size_is_refused(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    text = json.loads(data[2].read_text())
    text["model"]["vocab"]["AA"] = len(text["model"]["vocab"])
    other = tmp_path / "tokenizer.json"
    other.write_text(json.dumps(text))
    with pytest.raises(InputError, match=r"the tokenizer has 18 tokens, .* of 17"):
        run((data[0], data[1], other), tmp_path / "run")
