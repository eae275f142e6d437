"""Every family goes through pretraining: it learns, is written and read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.errors import TrainingError
from pipeline_lib.pretraining.folder import load_language_model
from tests.pretraining.test_losses import SHAPES
from tests.pretraining.toys import Data, lines, train


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> Data:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


@pytest.mark.parametrize("name", SHAPES)
def test_a_family_learns_and_its_folder_is_read(name: str, data: Data, tmp_path: Path) -> None:
    train(data, tmp_path, name, steps=12, learning_rate=3e-3)
    found = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    assert found[-1] < found[0]
    model, architecture = load_language_model(tmp_path / "model")
    assert architecture == SHAPES[name]
    assert model.causal == (name in ("dnagpt", "hyena"))


def test_a_run_may_be_limited_by_time(data: Data, tmp_path: Path) -> None:
    train(data, tmp_path, "hyena", minutes=0.05, steps=10**9, validate_every=10**6)
    last = lines(tmp_path)[-1]
    assert 3.0 <= last["elapsed"] < 30
    rates = [line["learning_rate"] for line in lines(tmp_path) if "learning_rate" in line]
    assert rates[-1] < 0.2 * max(rates)
    assert "valid_bits_per_base" in last


def test_a_loss_that_is_no_number_names_the_batch_and_keeps_the_checkpoint(
    data: Data, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"toy chr1:\d+-\d+.*lower `learning_rate`"):
        train(
            data, tmp_path, "hyena", learning_rate=1e30, clip_norm=1e30, checkpoint_every=1,
            warmup_steps=0, length_warmup=None,
        )  # fmt: skip
    assert list((tmp_path / "checkpoints").glob("step-*"))
