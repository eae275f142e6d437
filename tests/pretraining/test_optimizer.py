"""Learning rates and weight decay."""

from itertools import pairwise

import pytest
import torch

from pipeline_lib.config.training import OptimizerSettings
from pipeline_lib.pretraining.optimizer import learning_rate, make_optimizer


def rates(schedule: str) -> list[float]:
    return [
        learning_rate(step, peak=1.0, warmup=10, total=110, schedule=schedule)
        for step in range(110)
    ]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_rises_to_the_peak_and_never_above(schedule: str) -> None:
    course = rates(schedule)
    assert course[0] == pytest.approx(0.1)
    assert course[9] == max(course) == pytest.approx(1.0)
    assert all(b >= a for a, b in pairwise(course[:10]))
    assert all(b <= a for a, b in pairwise(course[9:]))


def test_linear_and_cosine_end_near_zero_and_cosine_is_half_in_the_middle() -> None:
    assert rates("linear")[-1] == pytest.approx(0.01)
    assert rates("cosine")[-1] < 0.001
    assert rates("cosine")[60] == pytest.approx(0.5)
    assert rates("constant")[-1] == 1.0


def test_vectors_do_not_decay() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    decay, plain = make_optimizer(model, OptimizerSettings(weight_decay=0.3)).param_groups
    assert decay["weight_decay"] == 0.3 and {p.ndim for p in decay["params"]} == {2}
    assert plain["weight_decay"] == 0.0 and {p.ndim for p in plain["params"]} == {1}
