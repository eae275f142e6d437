"""The memory that a tuning run is given is enough, and not far too much."""

import pytest

from pipeline_lib.finetuning.memory import BASE_MB, LEAST_MB, tuning_mb
from pipeline_lib.models.memory_estimate import estimate
from tests.finetuning import toys

BERT = {"layers": 12, "width": 768, "heads": 12, "feedforward_width": 3072, "context_length": 512}


@pytest.mark.parametrize("batch_size", [8, 64])
@pytest.mark.parametrize("name", ["bert", "hyena"])
def test_what_the_model_needs_fits_and_little_more_is_asked_for(name, batch_size):
    if name == "bert":
        shape = toys.SHAPE.model_copy(update=BERT)
    else:
        changes = {"layers": 8, "width": 256, "feedforward_width": 1024, "context_length": 4096}
        shape = toys.HYENA.model_copy(update=changes)
    found = tuning_mb(shape, 4096, toys.make_task(batch_size=batch_size))
    needed = estimate(shape, 4096, batch_size=batch_size, length=shape.context_length).total / 1e6
    assert needed < found < BASE_MB + 4 * needed
    parts = toys.make_task(batch_size=batch_size, accumulation=8)
    assert tuning_mb(shape, 4096, parts) <= found
    frozen = toys.make_task(batch_size=batch_size, method="probe")
    assert tuning_mb(shape, 4096, frozen) < found
    grid = toys.make_task(batch_size=8, grid={"batch_size": [8, batch_size + 1]})
    assert tuning_mb(shape, 4096, grid) >= found


def test_small_models_get_what_they_always_got():
    assert tuning_mb(toys.SHAPE, 100, toys.make_task()) == LEAST_MB
