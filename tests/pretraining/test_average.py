"""The running mean: its formula, its start, its resume, and its place in the model."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from pipeline_lib.pretraining.average import RunningMean


def toy() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3))


def wander(model: nn.Module, step: int) -> None:
    """Change the weights as a training step would."""
    torch.manual_seed(100 + step)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape)
            if isinstance(parameter, DTensor):
                noise = DTensor.from_local(noise, parameter.device_mesh)
                noise = noise.redistribute(placements=parameter.placements)
            parameter.add_(noise, alpha=0.1)


def values(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def mean_of(mean: RunningMean, model: nn.Module) -> list[Tensor]:
    with mean.applied(model):
        return values(model)


@settings(max_examples=30, deadline=None)
@given(decay=st.floats(0.01, 0.9999), steps=st.integers(1, 40))
def test_the_mean_is_what_its_formula_says(decay: float, steps: int) -> None:
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    mean = RunningMean(model, decay)
    expected = float(model.weight.detach())
    for step in range(steps):
        wander(model, step)
        mean.update(model)
        rate = min(decay, (1 + step) / (10 + step))
        expected = rate * expected + (1 - rate) * float(model.weight.detach())
    assert float(mean_of(mean, model)[0]) == pytest.approx(expected)
    assert mean.updates == steps


def test_the_random_start_is_soon_forgotten_and_constant_weights_are_their_own_mean() -> None:
    model = nn.Linear(3, 3)
    with torch.no_grad():
        model.weight.fill_(1e6)
    mean = RunningMean(model, 0.9999)
    with torch.no_grad():
        model.weight.fill_(1.0)
    for _ in range(100):
        mean.update(model)
    assert float((mean_of(mean, model)[0] - 1.0).abs().max()) < 1e-2


def test_the_weights_come_back_bit_for_bit_also_after_an_error() -> None:
    model = toy()
    mean = RunningMean(model, 0.9)
    wander(model, 0)
    mean.update(model)
    before, inside = values(model), mean_of(mean, model)
    assert any(not torch.equal(a, b) for a, b in zip(before, inside, strict=True))
    with pytest.raises(InterruptedError), mean.applied(model):
        raise InterruptedError
    assert all(map(torch.equal, values(model), before))
    assert all(map(torch.equal, mean_of(mean, model), inside))
    with mean.applied(model), pytest.raises(RuntimeError, match="in use"):
        mean.update(model)


def follow(model: nn.Module, mean: RunningMean, first: int, last: int) -> None:
    for step in range(first, last):
        wander(model, step)
        mean.update(model)


def test_a_resumed_mean_is_bit_equal(tmp_path: Path) -> None:
    model = toy()
    mean = RunningMean(model, 0.95)
    follow(model, mean, 0, 7)
    torch.save({"mean": mean.state_dict(), "model": model.state_dict()}, tmp_path / "state.pt")
    follow(model, mean, 7, 20)

    again = toy()
    fresh = RunningMean(again, 0.95)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(state["model"])
    fresh.load_state_dict(state["mean"])
    follow(again, fresh, 7, 20)
    assert all(map(torch.equal, mean_of(fresh, again), mean_of(mean, model)))
    with pytest.raises(KeyError, match="other weights"):
        RunningMean(nn.Linear(2, 2), 0.95).load_state_dict(state["mean"])


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "s"), 1), rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def test_shares_of_fsdp_have_the_same_mean_as_whole_weights(one_process: None) -> None:
    model = toy()
    whole = copy.deepcopy(model)
    fully_shard(model, mesh=dist.init_device_mesh("cpu", (1,)))
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    mean, other = RunningMean(model, 0.9), RunningMean(whole, 0.9)
    inputs = torch.randn(4, 5)
    for step in range(5):
        model(inputs).sum().backward()
        follow(model, mean, step, step + 1)
        follow(whole, other, step, step + 1)
    before = model(inputs).detach()
    with mean.applied(model), other.applied(whole), torch.no_grad():
        averaged = model(inputs)
        assert torch.allclose(averaged, whole(inputs), atol=1e-6)
    assert not torch.allclose(before, averaged, atol=1e-3)
    assert torch.equal(model(inputs), before)
    assert torch.allclose(before, whole(inputs), atol=1e-6)
