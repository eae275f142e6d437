"""Learning rates, weight decay, and which weights each optimizer trains."""

import copy
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.config import load_architecture
from pipeline_lib.config.training import OptimizerSettings
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.pretraining.optimizer import (
    learning_rate,
    make_optimizer,
    make_optimizers,
    set_learning_rate,
)
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead

MINIS = ["bert", "moderngena", "bigbird", "logo", "dnagpt", "hyena", "rmt"]
WORDS = 24
MATRICES = r"(attention\.(project|output)|operator\.(project|output)|expand|contract)\.weight"
MUON = OptimizerSettings(optimizer="muon", learning_rate=3e-3, weight_decay=0.3)

Build = Callable[..., LanguageModel]


def rates(schedule: str) -> list[float]:
    return [
        learning_rate(step, peak=1.0, warmup=10, total=110, schedule=schedule)
        for step in range(110)
    ]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant", "warmup_stable_decay"])
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


@given(
    total=st.integers(1, 500),
    warmup=st.integers(0, 200),
    share=st.floats(0, 1),
    peak=st.floats(1e-6, 1.0),
)
def test_warm_up_stable_decay(total: int, warmup: int, share: float, peak: float) -> None:
    course = [
        learning_rate(
            step, peak=peak, warmup=warmup, total=total, schedule="warmup_stable_decay",
            decay_share=share,
        )
        for step in range(total)
    ]  # fmt: skip
    top = course.index(max(course))
    assert all(0 < rate <= peak for rate in course)
    assert all(a <= b for a, b in pairwise(course[: top + 1]))
    assert all(a >= b for a, b in pairwise(course[top:]))
    stable = course[warmup : int(total * (1 - share))]
    assert all(rate == peak for rate in stable)
    falling = course[max(warmup, int(total * (1 - share)) + 1) :]
    assert all(  # one straight line, whose next point would be 0
        rate == pytest.approx(falling[-1] * (len(falling) - number))
        for number, rate in enumerate(falling)
    )


def test_vectors_do_not_decay() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LayerNorm(3))
    decay, plain = make_optimizer(model, OptimizerSettings(weight_decay=0.3)).param_groups
    assert decay["weight_decay"] == 0.3 and {p.ndim for p in decay["params"]} == {2}
    assert plain["weight_decay"] == 0.0 and {p.ndim for p in plain["params"]} == {1}


@pytest.fixture(scope="module")
def build(root: Path) -> Build:
    def build(name: str, **changes: object) -> LanguageModel:
        torch.manual_seed(3)
        preset = name if name.startswith("logo-") else f"{name}-mini"
        shape = load_architecture(preset, dict(changes), [root / "config" / "models"])
        return build_model(shape, WORDS)

    return build


@pytest.mark.parametrize("name", [*MINIS, "logo-conv"])
def test_muon_gets_the_matrices_of_the_layers_and_adamw_all_else(name: str, build: Build) -> None:
    model = build(name)
    whole = torch.nn.ModuleDict(
        {"model": model, "order": SentenceOrderHead(model.encoder.width, 1)}
    )
    muon, adamw = make_optimizers(whole, MUON)
    assert isinstance(muon, torch.optim.Muon) and isinstance(adamw, torch.optim.AdamW)
    names = {id(p): key for key, p in whole.named_parameters()}
    (matrices,), (decayed, _) = (
        [[names.pop(id(p)) for p in group["params"]] for group in optimizer.param_groups]
        for optimizer in (muon, adamw)
    )
    assert not names  # each weight has one optimizer, and none has two
    of_layers = [key for key, p in whole.named_parameters() if re.search(r"\.layers\.\d", key)]
    assert sorted(matrices) == sorted(
        key for key in of_layers if re.search(rf"layers\.\d+\.{MATRICES}$", key)
    )
    kinds = 2 if name == "logo-conv" else 4  # of which a layer has one each
    assert len(matrices) == kinds * len(getattr(model.encoder, "layers", []))
    assert any("tokens" in key for key in decayed)
    assert any("order.classes.weight" in key for key in decayed)
    assert not any(".filter." in key or key.endswith("bias") for key in decayed)
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.3, 0.0]
    assert muon.param_groups[0]["weight_decay"] == 0.3


def test_the_filters_of_hyena_do_not_decay(build: Build) -> None:
    model = build("hyena")
    (adamw,) = make_optimizers(model, OptimizerSettings(weight_decay=0.3))
    names = {id(p): key for key, p in model.named_parameters()}
    decayed = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert not any(".filter." in key for key in decayed)
    assert any("operator.short.weight" in key for key in decayed)


def test_frozen_weights_have_no_optimizer(build: Build) -> None:
    model = build("bert")
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    (adamw,) = make_optimizers(model, MUON)
    assert isinstance(adamw, torch.optim.AdamW)
    chosen = {id(p) for group in adamw.param_groups for p in group["params"]}
    assert chosen == {id(p) for p in model.parameters() if p.requires_grad}


def train(
    model: LanguageModel, optimizers: list[torch.optim.Optimizer], first: int, last: int
) -> list[float]:
    """Teach a model to say what it sees, or what comes next, in stretches of a cycle."""
    found = []
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        starts = torch.randint(WORDS, (2, 1), generator=generator)
        tokens = (starts + torch.arange(24)) % WORDS
        answers = (tokens + 1) % WORDS
        everywhere = torch.ones_like(tokens, dtype=torch.bool)
        scores = model(tokens, None, everywhere)
        loss = torch.nn.functional.cross_entropy(scores, answers.flatten())
        loss.backward()
        set_learning_rate(optimizers, 2e-3)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("name", ["bert", "logo", "dnagpt", "hyena", "rmt"])
def test_muon_learns_and_goes_on_as_if_undisturbed(name: str, build: Build) -> None:
    model = build(name, layers=1)
    optimizers = make_optimizers(model, MUON)
    losses = train(model, optimizers, 0, 5)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    states = [copy.deepcopy(optimizer.state_dict()) for optimizer in optimizers]
    losses += train(model, optimizers, 5, 10)
    assert losses[-1] < 0.8 * losses[0]

    again = build(name, layers=1)
    again.load_state_dict(kept)
    fresh = make_optimizers(again, MUON)
    for optimizer, state in zip(fresh, states, strict=True):
        optimizer.load_state_dict(state)
    assert train(again, fresh, 5, 10) == losses[5:]
    for (key, mine), other in zip(
        model.state_dict().items(), again.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, other), key


def test_at_the_same_rate_muon_moves_matrices_as_far_as_adamw(build: Build) -> None:
    """Liu et al. (2025): updates of AdamW have a root mean square of 0.2 to 0.4."""
    moved = {}
    for kind in ("adamw", "muon"):
        model = build("bert")
        before = model.encoder.layers[0].expand.weight.detach().clone()
        settings = OptimizerSettings(optimizer=kind, weight_decay=0.0)
        train(model, make_optimizers(model, settings), 0, 12)
        change = model.encoder.layers[0].expand.weight.detach() - before
        moved[kind] = float(change.square().mean().sqrt()) / 2e-3 / 12
    assert 0.02 < moved["muon"] < 0.4
    assert 0.2 < moved["muon"] / moved["adamw"] < 5
