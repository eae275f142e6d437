"""HyenaDNA to and from the published classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
from pipeline_lib.models.hyena_adapter import ADAPTER
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from tests.models.hyena_shapes import COMPLEMENTS, VOCABULARY, bases, small, small_model
from tests.models.test_hyena_weights import synthetic

# As published with tiny-1k: the original form, and that of the class in `transformers`.
ORIGINAL: dict[str, Any] = {
    "d_model": 128, "n_layer": 2, "d_inner": 512, "vocab_size": 12, "resid_dropout": 0.0,
    "embed_dropout": 0.1, "residual_in_fp32": True, "pad_vocab_size_multiple": 8,
    "layer": {
        "_name_": "hyena", "emb_dim": 5, "filter_order": 64, "local_order": 3, "l_max": 1026,
        "modulate": True, "w": 10, "lr": 6e-4, "wd": 0.0, "lr_pos_emb": 0.0,
    },
}  # fmt: skip
SECOND: dict[str, Any] = {
    "model_type": "hyenadna", "d_model": 128, "n_layer": 2, "d_inner": 512, "vocab_size": 12,
    "max_seq_len": 1026, "emb_dim": 5, "filter_order": 64, "num_inner_mlps": 2, "hyena_order": 2,
    "short_filter_order": 3, "activation_freq": 10, "embed_dropout": 0.1, "hyena_dropout": 0.0,
    "hyena_filter_dropout": 0.0, "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
    "pad_vocab_size_multiple": 8, "train_freq": True, "use_bias": True,
    "tie_word_embeddings": False,
}  # fmt: skip
TINY = HyenaArchitecture(filter_length=1026)


@pytest.mark.parametrize(("config", "prefix"), [(ORIGINAL, "model."), (SECOND, "hyena.")])
def test_both_published_forms_are_read(config: dict[str, Any], prefix: str) -> None:
    plain = synthetic()
    state = {prefix + name: tensor for name, tensor in plain.items() if name != "lm_head.weight"}
    state["lm_head.weight"] = plain["lm_head.weight"].clone()
    architecture, loaded = ADAPTER.read_folder(config, state)
    assert architecture == TINY  # tied: the matrix stored apart is the same one
    model = HyenaLanguageModel(architecture, VOCABULARY)
    model.load_state_dict(loaded.weights)
    assert sum(parameter.numel() for parameter in model.parameters()) == 436_096
    report = loaded.report
    assert len(report.used) + len(report.ignored) == len(state) and report.missing == []


def test_an_output_matrix_that_differs_is_kept() -> None:
    state = synthetic(width=32, taps=66)
    state["lm_head.weight"] = state["lm_head.weight"] + 1
    config = {**SECOND, "d_model": 32, "d_inner": 128, "max_seq_len": 66}
    architecture, loaded = ADAPTER.read_folder(config, state)
    assert not architecture.tied_output
    assert torch.equal(loaded.weights["output.weight"], state["lm_head.weight"])
    tied = architecture.model_copy(update={"tied_output": True})
    with pytest.raises(InputError, match="should be a copy"):
        ADAPTER.read(state, tied)


def test_another_context_takes_the_same_weights() -> None:
    state = synthetic(width=16, taps=66)
    config = {**SECOND, "d_model": 16, "d_inner": 64, "max_seq_len": 66}
    longer = ADAPTER.architecture(config).model_copy(update={"context_length": 5000})
    model = HyenaLanguageModel(longer, VOCABULARY).eval()
    model.load_state_dict(ADAPTER.read(state, longer).weights)
    assert model(bases(1, 300)).isfinite().all()
    stretched = longer.model_copy(update={"filter_length": 5002})
    with pytest.raises(InputError, match="set `filter_length` to the second number found"):
        ADAPTER.read(state, stretched)


OWN = {
    "bidirectional": {"bidirectional": True},
    "both strands": {"bidirectional": True, "equivariant": True},
    "another shift": {"filter_shift": 0.0},
    "another short filter": {"short_filter": 5},
}


@pytest.mark.parametrize("tied", [True, False])
def test_out_and_in_again_as_a_published_model(tied: bool) -> None:
    ours = small_model(tied_output=tied, checkpointing=True)
    architecture = ours.encoder.architecture
    assert ADAPTER.fits(architecture)
    config, state = ADAPTER.config(architecture, VOCABULARY), ADAPTER.export(ours)
    assert config["architectures"] == ["HyenaDNAForCausalLM"]
    assert config["model_type"] == "hyenadna"
    assert "hyena.backbone.layers.1.mixer.filter_fn.pos_emb.z" in state
    assert "lm_head.weight" in state
    assert all(tensor.is_contiguous() for tensor in state.values())
    again, loaded = ADAPTER.read_folder(config, state)
    assert again == architecture.model_copy(update={"filter_length": architecture.taps})
    other = HyenaLanguageModel(again, VOCABULARY).eval()
    other.load_state_dict(loaded.weights)
    tokens = bases(2, 30)
    assert torch.equal(other(tokens), ours(tokens))
    assert sorted([*loaded.report.used, *loaded.report.ignored]) == sorted(state)


@pytest.mark.parametrize("changes", OWN.values(), ids=OWN)
def test_what_was_never_published_keeps_our_names(changes: dict[str, Any]) -> None:
    ours = small_model(**changes)
    architecture = ours.encoder.architecture
    assert not ADAPTER.fits(architecture)
    config, state = ADAPTER.config(architecture, VOCABULARY), ADAPTER.export(ours)
    assert config["architectures"] == ["DnalmHyena"] and config["model_type"] == "dnalm-hyena"
    assert all(name.startswith("dnalm.") for name in state)
    again, loaded = ADAPTER.read_folder(config, state)
    assert again == architecture
    other = build_model(again, VOCABULARY, COMPLEMENTS).eval()
    other.load_state_dict(loaded.weights)
    tokens = bases(1, 9)
    assert torch.equal(other(tokens), ours(tokens))
    name = "dnalm." + next(iter(ours.state_dict()))
    for wrong, message in (
        ({name: state[name][:, :3]}, "has the shape"),
        ({"dnalm.more": state[name]}, "no place"),
    ):
        with pytest.raises(InputError, match=message):
            ADAPTER.read({**state, **wrong}, architecture)
    del state[name]
    with pytest.raises(InputError, match="missing"):
        ADAPTER.read(state, architecture)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**SECOND, "model_type": "bert"}, "`model_type` is 'bert'"),
        ({"d_model": 128}, "`model_type` is None.*d_model, n_layer and layer"),
        ({**SECOND, "hyena_order": 3}, "`hyena_order` is 3; expected 2"),
        ({**ORIGINAL, "layer": {**ORIGINAL["layer"], "modulate": False}}, "`modulate` is False"),
        ({**SECOND, "emb_dim": 4}, "describes no HyenaDNA.*`filter_features` 4 is even"),
    ],
)
def test_what_our_model_cannot_be_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"(?s){message}"):
        ADAPTER.architecture(config)


def test_settings_of_the_training_code_are_read() -> None:
    layer = {**ORIGINAL["layer"], "shift": 0.0, "num_inner_mlps": 3, "l_max": 500}
    found = ADAPTER.architecture({**ORIGINAL, "layer": layer, "checkpoint_mlp": True})
    assert found == HyenaArchitecture(
        filter_shift=0.0, filter_layers=4, filter_length=500, context_length=498, checkpointing=True
    )


def test_every_preset_is_a_published_model(root: Path) -> None:
    files = sorted((root / "config" / "models").glob("hyenadna-*.yaml"))
    shapes = [HyenaArchitecture(**yaml.safe_load(file.read_text())) for file in files]
    for shape in shapes:
        if shape.filter_length is not None:
            assert ADAPTER.fits(shape)
            assert ADAPTER.architecture(ADAPTER.config(shape, VOCABULARY)) == shape
    assert len(shapes) >= 6
    assert not ADAPTER.fits(small(filter_beyond="extend"))
