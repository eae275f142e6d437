"""Weights of HyenaDNA in and out, under the published names."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.hyena_weights import (
    WeightReport,
    from_published,
    published_architecture,
    to_published,
)
from tests.models.hyena_shapes import VOCABULARY, bases, small_model


def synthetic(width: int = 128, layers: int = 2, taps: int = 1026) -> dict[str, torch.Tensor]:
    """Return a checkpoint with the published names and shapes, written out by hand."""
    shapes: dict[str, tuple[int, ...]] = {
        "backbone.embeddings.word_embeddings.weight": (16, width),
        "backbone.ln_f.weight": (width,),
        "backbone.ln_f.bias": (width,),
    }
    for layer in range(layers):
        start = f"backbone.layers.{layer}"
        linear = {
            "mixer.in_proj": (3 * width, width), "mixer.out_proj": (width, width),
            "mixer.short_filter": (3 * width, 1, 3), "mlp.fc1": (4 * width, width),
            "mlp.fc2": (width, 4 * width), "norm1": (width,), "norm2": (width,),
            "mixer.filter_fn.implicit_filter.0": (64, 5),
            "mixer.filter_fn.implicit_filter.2": (64, 64),
            "mixer.filter_fn.implicit_filter.4": (64, 64),
        }  # fmt: skip
        for name, shape in linear.items():
            shapes[f"{start}.{name}.weight"] = shape
            shapes[f"{start}.{name}.bias"] = shape[:1]
        shapes[f"{start}.mixer.filter_fn.bias"] = (width,)
        shapes[f"{start}.mixer.filter_fn.implicit_filter.6.weight"] = (width, 64)
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    phase = 2 * torch.pi * torch.arange(taps) / taps
    time = torch.linspace(0, 1, taps)
    waves = [(phase * 1e-4).cos(), phase.cos(), -(phase * 1e-4).sin(), -phase.sin()]
    for layer in range(layers):
        start = f"backbone.layers.{layer}.mixer.filter_fn"
        frequency = torch.full((1, 64), 10.0 + layer)
        state |= {f"{start}.implicit_filter.{place}.freq": frequency for place in (1, 3, 5)}
        state[f"{start}.pos_emb.z"] = torch.stack([time, *waves], dim=1)[None]
        state[f"{start}.pos_emb.t"] = time[None, :, None]
        state[f"{start}.modulation.deltas"] = torch.linspace(-3.0701, -15.3506, width)[None, None]
    state["lm_head.weight"] = state["backbone.embeddings.word_embeddings.weight"]
    return state


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    return synthetic()


def loaded(state: dict[str, Any], **changes: Any) -> tuple[HyenaLanguageModel, WeightReport]:
    architecture = published_architecture(state, **changes)
    weights, report = from_published(state, architecture)
    model = HyenaLanguageModel(architecture, VOCABULARY).eval()
    model.load_state_dict(weights)
    return model, report


def test_a_published_checkpoint_fits(published: dict[str, torch.Tensor]) -> None:
    model, report = loaded(published, embedding_dropout=0.0)
    assert sum(parameter.numel() for parameter in model.parameters()) == 436_096
    assert model.encoder.architecture == HyenaArchitecture(
        filter_length=1026, embedding_dropout=0.0
    )
    assert sorted((*report.used, *report.ignored)) == sorted(published)
    assert len(report.ignored) == 1 + 2 * (2 + 3)  # the head; copied frequencies, buffers
    assert not report.missing
    assert model(bases(1, 50)).isfinite().all()


@pytest.mark.parametrize("prefix", ["", "model.", "hyena."])
def test_prefixes_wrappers_and_metrics(published: dict[str, torch.Tensor], prefix: str) -> None:
    names = {name: prefix + name.replace("mixer.", "mixer.layer.") for name in published}
    state: dict[str, Any] = {names[name]: tensor for name, tensor in published.items()}
    state["train_torchmetrics.num_tokens.count"] = torch.tensor(5)
    model, report = loaded({"state_dict": state, "epoch": 3})
    plain, _ = loaded(published)
    assert "train_torchmetrics.num_tokens.count" in report.ignored
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_a_checkpoint_without_copies_and_positions(published: dict[str, torch.Tensor]) -> None:
    state = {
        name: tensor for name, tensor in published.items()
        if not any(word in name for word in ("pos_emb", "deltas", "lm_head", "3.freq", "5.freq"))
    }  # fmt: skip
    _, report = loaded(state, filter_length=1026)
    assert len(report.missing) == 1 + 2 * (2 + 3)


def test_another_length_of_context_takes_the_same_weights() -> None:
    short, long = loaded(synthetic(taps=66))[0], loaded(synthetic(taps=514))[0]
    assert short.encoder.architecture.context_length == 64
    for name, tensor in short.state_dict().items():
        assert torch.equal(tensor, long.state_dict()[name])
    assert long(bases(1, 600)).isfinite().all()


@pytest.mark.parametrize("prefix", ["", "model."])
def test_out_and_in_again(prefix: str) -> None:
    model = small_model()
    state = to_published(model, prefix)
    assert prefix + "lm_head.weight" in state
    weights, report = from_published(state, model.encoder.architecture)
    other = small_model(seed=2)
    other.load_state_dict(weights)
    tokens = bases(2, 30)
    assert torch.equal(model(tokens), other(tokens))
    assert not report.missing
    again = published_architecture(state, embedding_dropout=0.0, init_std=0.3, filter_length=None)
    assert again == model.encoder.architecture


def test_names_and_shapes_written_are_the_published_ones(
    published: dict[str, torch.Tensor],
) -> None:
    model, _ = loaded(published)
    written = to_published(model)
    assert {n: t.shape for n, t in written.items()} == {n: t.shape for n, t in published.items()}
    for name, tensor in published.items():
        assert torch.allclose(written[name], tensor, atol=1e-3), name


LAYER = "backbone.layers.1.mixer"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("backbone.ln_f.bias", None, "backbone.ln_f.bias missing"),
        (f"{LAYER}.filter_fn.bias", None, "filter_fn.bias missing"),
        (f"{LAYER}.extra.weight", torch.ones(1), "extra.weight have no place"),
        ("backbone.layers.2.norm1.bias", torch.ones(128), "missing"),
        (f"{LAYER}.in_proj.bias", torch.ones(3), r"has the shape \(3,\) instead of \(384,\)"),
        (f"{LAYER}.filter_fn.implicit_filter.3.freq", torch.ones(1, 64), "should be a copy"),
        (f"{LAYER}.filter_fn.pos_emb.t", torch.ones(1, 1026, 1), "holds other numbers"),
        (f"{LAYER}.filter_fn.pos_emb.t", torch.ones(1, 9, 1), "set `filter_length`"),
        (f"{LAYER}.filter_fn.modulation.deltas", torch.ones(1, 1, 128), "holds other numbers"),
        ("backbone.embeddings.word_embeddings.weight", None, "0 names end in"),
    ],
)
def test_whatever_does_not_fit_is_refused(
    published: dict[str, torch.Tensor], name: str, change: torch.Tensor | None, message: str
) -> None:
    state = {**published, name: change}
    if change is None:
        del state[name]
    with pytest.raises(InputError, match=message):
        loaded(state)


def test_a_bidirectional_model_has_no_published_names() -> None:
    with pytest.raises(InputError, match="is bidirectional"):
        to_published(small_model(bidirectional=True))


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("tiny-1k", 436_096), ("tiny-16k", 436_096), ("small-32k", 3_277_568),
        ("medium-160k", 6_550_528), ("medium-450k", 6_550_528), ("large-1m", 6_550_528),
    ],
)  # fmt: skip
def test_presets_have_the_published_sizes(preset: str, parameters: int, root: Path) -> None:
    file = root / "config" / "models" / f"hyenadna-{preset}.yaml"
    architecture = HyenaArchitecture(**yaml.safe_load(file.read_text()))
    with torch.device("meta"):
        model = HyenaLanguageModel(architecture, VOCABULARY)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
