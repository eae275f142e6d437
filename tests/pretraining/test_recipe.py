"""What is another model, and what is the same one made elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_lib.config.launching import Slurm
from pipeline_lib.config.pretraining import Model
from pipeline_lib.pretraining.recipe import Recipe
from tests.pretraining.test_losses import SHAPES
from tests.pretraining.toys import recipe

SETTINGS = {"corpus": "toy", "tokenizer": "toy", "preset": "x"}


@pytest.fixture(scope="module")
def plain(make_shards: Callable[..., Path], tokenizer: Path) -> Recipe:
    data = make_shards(5, 50, 2), make_shards(5, 50, 2, seed=1), tokenizer
    return recipe(data, Model(**SETTINGS), SHAPES["bert"])


def test_another_name_place_or_number_of_processes_is_the_same_model(plain: Recipe) -> None:
    elsewhere = Model(
        **SETTINGS, launcher="slurm", slurm=Slurm(nodes=8), parallel="fsdp", log_every=7,
        checkpoint_every=3, accumulation=4,
    )  # fmt: skip
    assert replace(plain, name="b", settings=elsewhere).fingerprint() == plain.fingerprint()


def test_other_data_settings_shape_or_seed_are_another_model(plain: Recipe) -> None:
    others = [
        replace(plain, settings=Model(**SETTINGS, learning_rate=1e-9)),
        replace(plain, architecture=SHAPES["hyena"]),
        replace(plain, train=(plain.valid,)),
        replace(plain, valid=plain.train[0]),
        replace(plain, seed=2),
    ]
    assert len({other.fingerprint() for other in [plain, *others]}) == 1 + len(others)


def test_what_was_read_can_be_looked_up(plain: Recipe) -> None:
    assert set(plain.inputs()) == {"train 0", "valid", "tokenizer"}
    assert all(Path(path).is_file() for path in plain.inputs().values())
