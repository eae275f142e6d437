"""Every family goes through pretraining: learns, is interrupted, goes on, is written and read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline_lib.config.pretraining import Model
from pipeline_lib.errors import TrainingError
from pipeline_lib.pretraining.checkpoints import Checkpoints
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.pretraining.run import pretrain
from tests.pretraining.test_losses import SHAPES

EXTRAS: dict[str, dict[str, object]] = {
    "bert": {"sentence_order": True, "mask_span": 3, "short_share": 0.2},
    "memory": {"length_warmup": {"start": 12, "steps": 6}},
    "hyena": {"length_warmup": {"start": 8, "steps": 6}, "repeat_weight": 0.5},
    "modernbert": {"accumulation": 3},
}


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> tuple[Path, Path, Path]:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


def run(data: tuple[Path, Path, Path], directory: Path, name: str, **changes: object) -> None:
    values = {
        "corpus": "toy", "tokenizer": "toy", "preset": "x", "steps": 12, "batch_size": 6,
        "warmup_steps": 3, "learning_rate": 3e-3, "log_every": 4, "validate_every": 5,
        "validation_sequences": 16, "checkpoint_every": 4, **EXTRAS.get(name, {}), **changes,
    }  # fmt: skip
    pretrain(*data, directory, Model(**values), SHAPES[name], name="toy", seed=1, threads=1)


def lines(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", SHAPES)
def test_a_family_learns_and_goes_on_where_it_was_stopped(
    name: str, data: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data, tmp_path / "whole", name)
    found = [line["loss"] for line in lines(tmp_path / "whole") if "loss" in line]
    assert found[-1] < found[0]

    save = Checkpoints.save

    def fall_over(self: Checkpoints, step: int, state: dict[str, object]) -> None:
        save(self, step, state)
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", fall_over)
        with pytest.raises(InterruptedError):
            run(data, tmp_path / "again", name)
    run(data, tmp_path / "again", name)
    one, other = (
        load_file(tmp_path / folder / "model" / "model.safetensors")
        for folder in ("whole", "again")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    model, architecture = load_language_model(tmp_path / "again" / "model")
    assert architecture == SHAPES[name]
    assert model.causal == (name in ("dnagpt", "hyena"))


def test_a_run_may_be_limited_by_time(data: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run(data, tmp_path, "hyena", minutes=0.05, steps=10**9, validate_every=10**6)
    last = lines(tmp_path)[-1]
    assert 3.0 <= last["elapsed"] < 30
    rates = [line["learning_rate"] for line in lines(tmp_path) if "learning_rate" in line]
    assert rates[-1] < 0.2 * max(rates)
    assert "valid_bits_per_base" in last


def test_a_loss_that_is_no_number_names_the_batch_and_keeps_the_checkpoint(
    data: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"toy chr1:\d+-\d+.*lower `learning_rate`"):
        run(
            data, tmp_path, "hyena", learning_rate=1e30, clip_norm=1e30, checkpoint_every=1,
            warmup_steps=0, length_warmup=None,
        )  # fmt: skip
    assert list((tmp_path / "checkpoints").glob("step-*.pt"))
