"""Our models are those of `transformers`: the same scores, the same gradients."""

import copy

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.big_bird import modeling_big_bird

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.adapters import (
    ADAPTERS,
    adapter_for,
    native_adapter,
    read_architecture,
)
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.sparse_attention import NOTHING, Pattern, block_table
from tests.models.conftest import ALBERT, GPT, MODERN, SPARSE, VOCABULARY, shaken, small

SHAPES = {
    "bert": small(),
    "modernbert": MODERN,
    "modernbert-bias": MODERN.model_copy(update={"bias": True, "global_every": 2}),
    "bigbird": SPARSE.model_copy(update={"random_layout": "first"}),
    "bigbird-full": SPARSE.model_copy(update={"attention": "full"}),
    "albert": ALBERT,
    "gpt2": GPT,
}
LENGTHS = {"bert": 20, "albert": 20, "gpt2": 20}
"""Of others 50: several windows, or more blocks than are attended to in full."""


def theirs_of(ours: LanguageModel, architecture: Architecture) -> nn.Module:
    adapter = ADAPTERS[architecture.family]
    settings = {**adapter.config(architecture, VOCABULARY), "attn_implementation": "eager"}
    config_class = getattr(transformers, adapter.class_name.split("For")[0] + "Config", None)
    config = (config_class or transformers.GPT2Config)(**settings)
    assert config.model_type == adapter.model_type
    theirs = getattr(transformers, adapter.class_name)(config).eval()
    lacking, foreign = theirs.load_state_dict(adapter.export(ours), strict=False)
    assert not foreign
    assert not [
        n for n in lacking if "decoder." not in n and "lm_head" not in n and "pool" not in n
    ]
    return theirs


def example(length: int, ragged: bool) -> tuple[Tensor, Tensor | None]:
    torch.manual_seed(4)
    tokens = torch.randint(5, VOCABULARY, (3, length))
    # So ragged that blocks of 4 are as many in each row: padding counts for `transformers`.
    lengths = torch.tensor([[length], [length - 1], [length - 1]])
    return tokens, (torch.arange(length) < lengths) if ragged else None


@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("name", SHAPES)
def test_scores_and_gradients_are_the_same(name: str, ragged: bool) -> None:
    shape = SHAPES[name]
    ours = shaken(shape)
    theirs = theirs_of(ours, shape)
    tokens, mask = example(LENGTHS.get(name, 50), ragged)
    everywhere = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
    mine = ours(tokens, mask, everywhere)
    expected = theirs(tokens, attention_mask=None if mask is None else mask.float()).logits[
        everywhere
    ]
    assert torch.allclose(mine, expected, atol=1e-5)
    answers = torch.randint(5, VOCABULARY, (len(mine),))
    functional.cross_entropy(mine, answers).backward()
    functional.cross_entropy(expected, answers).backward()
    slopes = copy.deepcopy(ours)
    for parameter, original in zip(slopes.parameters(), ours.parameters(), strict=True):
        parameter.data = original.grad
    by_name = dict(theirs.named_parameters())
    exported = ADAPTERS[shape.family].export(slopes)
    compared = [n for n in exported if n in by_name and "token_type" not in n]
    assert len(compared) >= len(list(ours.parameters()))
    for key in compared:
        assert torch.allclose(exported[key], by_name[key].grad, atol=1e-4), key


@pytest.mark.parametrize("name", SHAPES)
def test_a_model_of_transformers_becomes_ours(name: str) -> None:
    theirs = theirs_of(shaken(SHAPES[name]), SHAPES[name])
    shape = read_architecture(theirs.config.to_dict())
    loaded = ADAPTERS[shape.family].read(theirs.state_dict(), shape)
    ours = shaken(shape, seed=9)
    ours.load_state_dict(loaded.weights)
    tokens, _ = example(LENGTHS.get(name, 50), ragged=False)
    expected = theirs(tokens).logits.flatten(0, 1)
    found = ours(tokens, None, torch.ones_like(tokens, dtype=torch.bool))
    assert torch.allclose(found, expected, atol=1e-5)
    report = loaded.report
    assert sorted([*report.used, *report.ignored]) == sorted(theirs.state_dict())
    assert report.missing == []


def test_random_blocks_are_gathered_as_in_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = Pattern.of(SPARSE)

    def lots(self: nn.Module, from_seq_length: int, **_: object) -> list[np.ndarray]:
        blocks = from_seq_length // pattern.block
        table = block_table(pattern, self.seed, blocks)
        return [np.stack([drawn(row, block + 1, blocks) for block, row in enumerate(head.tolist())])
                for head in table]  # fmt: skip

    def drawn(row: list[int], block: int, blocks: int) -> np.ndarray:
        known = {0, blocks - 1, block - 1, block, block + 1, NOTHING}
        return np.array([other for other in row if other not in known])

    monkeypatch.setattr(
        modeling_big_bird.BigBirdBlockSparseAttention, "_bigbird_block_rand_mask_with_head", lots
    )
    ours = shaken(SPARSE)
    theirs = theirs_of(ours, SPARSE)
    for length, ragged in ((48, False), (50, False), (80, True)):
        tokens, mask = example(length, ragged)
        everywhere = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
        expected = theirs(tokens, attention_mask=None if mask is None else mask.float()).logits[
            everywhere
        ]
        assert torch.allclose(ours(tokens, mask, everywhere), expected, atol=1e-5)


def test_what_does_not_fit_is_named() -> None:
    ours, adapter = shaken(GPT), ADAPTERS["gpt2"]
    state = adapter.export(ours)
    wide = {**state, "transformer.wpe.weight": torch.zeros(7, 32)}
    with pytest.raises(InputError, match=r"wpe.weight has shape \(7, 32\).*\(24, 32\)"):
        adapter.read(wide, GPT)
    del state["transformer.ln_f.bias"]
    state["transformer.ln_f.extra"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"missing transformer.ln_f.bias; .* transformer.ln_f.ex"):
        adapter.read(state, GPT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "'llama'.*'modernbert'"),
        ({"hidden_activation": "relu"}, "`hidden_activation` is 'relu'"),
        ({"attention_bias": True}, "biases in some parts"),
        ({"layer_types": ["sliding_attention"] * 4}, "every n-th"),
        ({"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "'yarn'"),
        ({"norm_eps": -1.0}, "norm_epsilon"),
    ],
)
def test_a_configuration_that_cannot_be_ours_is_named(
    changes: dict[str, object], message: str
) -> None:
    config = {**ADAPTERS["modernbert"].config(MODERN, VOCABULARY), **changes}
    with pytest.raises(InputError, match=message):
        read_architecture(config)


def test_older_configurations_of_modernbert_are_read() -> None:
    config = ADAPTERS["modernbert"].config(MODERN, VOCABULARY)
    for newer in ("layer_types", "rope_parameters"):
        del config[newer]
    assert read_architecture(config) == MODERN.model_copy(update={"init_std": 0.2})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("albert", {"tracks": 3}),
        ("albert", {"feedforward": "conv"}),
        ("albert", {"embedding_kernels": (2, 3)}),
        ("bert", {"norm": "pre"}),
        ("bert", {"norm": "pre", "memory": {"tokens": 2}}),
        ("bigbird", {"random_layout": "per-head"}),
        ("bigbird", {"global_place": "start"}),
        ("gpt2", {"output": "mlp"}),
        ("gpt2", {"bias": False}),
        ("modernbert", {"rotary_width": 4}),
    ],
)
def test_shapes_that_a_class_would_compute_otherwise_have_none(
    name: str, changes: dict[str, object]
) -> None:
    assert native_adapter(SHAPES[name]) is ADAPTERS[SHAPES[name].family]
    changed = Architecture(**{**SHAPES[name].model_dump(), **changes})
    assert native_adapter(changed) is None


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"model_type": "bert", "alibi_starting_size": 512}, "DNABERT-2"),
        ({"model_type": "esm"}, "Nucleotide Transformer"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "position_embedding"),
    ],
)
def test_published_models_of_other_classes_are_named(config: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_architecture(config)


GENA: dict[str, dict[str, object]] = {
    "pre-norm": {"pre_layer_norm": True, "last_layer_norm": False},
    "last-norm": {"pre_layer_norm": True},
    "rotary": {"pre_layer_norm": True, "position_embedding_type": "rotary", "rotary_dim": 4},
    "sparse": {
        "pre_layer_norm": True, "max_position_embeddings": 24, "position_embedding_type": "rotary",
        "rotary_base": 10_000, "rotary_dim": 4,
        "sparse_attention": {
            "block": 4, "num_sliding_window_blocks": 3, "num_global_blocks": 2,
            "num_random_blocks": 3, "different_layout_per_head": True,
        },
    },
}  # fmt: skip


def gena_config(name: str) -> dict[str, object]:
    usual = {
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "hidden_act": "gelu",
        "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 24,
        "hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12, "vocab_size": VOCABULARY,
    }  # fmt: skip
    return {**usual, **GENA[name]}


def gena_weights(config: dict[str, object]) -> dict[str, Tensor]:
    """Return random weights under the published names."""
    torch.manual_seed(6)
    start, narrow, inner = "bert.embeddings", 32, 48
    norms = ["bert.embeddings.LayerNorm", "cls.predictions.transform.LayerNorm"]
    linear = {"cls.predictions.transform.dense": (narrow, narrow), "bert.pooler.dense": (32, 32)}
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        norms += [f"{layer}.pre_attention_ln", f"{layer}.post_attention_ln"]
        parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
        linear |= {f"{layer}.{p}": (narrow, narrow) for p in [*parts, "attention.output.dense"]}
        linear |= {f"{layer}.intermediate.dense": (inner, narrow)}
        linear |= {f"{layer}.output.dense": (narrow, inner)}
    if config.get("last_layer_norm", True):
        norms.append("bert.encoder.last_layer_ln")
    shapes = {f"{name}.{kind}": (narrow,) for name in norms for kind in ("weight", "bias")}
    for name, (out, into) in linear.items():
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    shapes |= {f"{start}.word_embeddings.weight": (VOCABULARY, narrow)}
    shapes |= {f"{start}.token_type_embeddings.weight": (2, narrow)}
    shapes |= {"cls.predictions.bias": (VOCABULARY,), "cls.seq_relationship.weight": (2, narrow)}
    if config.get("position_embedding_type", "absolute") == "absolute":
        shapes |= {f"{start}.position_embeddings.weight": (24, narrow)}
    else:
        shapes |= {"bert.encoder.layer.0.attention.self.rotary_emb.inv_freq": (2,)}
    return {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}


def gena_scores(state: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Return log-probabilities by the published description: norms first, plain attention."""

    def linear(name: str, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, state[f"{name}.weight"], state[f"{name}.bias"])

    def normed(name: str, hidden: Tensor) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.layer_norm(hidden, (32,), weight, bias, 1e-12)

    def heads(hidden: Tensor) -> Tensor:
        return hidden.unflatten(-1, (4, 8)).transpose(1, 2)

    def turned(hidden: Tensor) -> Tensor:
        """Rotate pairs (0, 2) and (1, 3) of 8 dimensions, the slower pair by 1/100 a token."""
        turns = torch.arange(hidden.shape[2])[:, None] * torch.tensor([1.0, 0.01])
        pairs = torch.complex(hidden[..., :2], hidden[..., 2:4])
        pairs = pairs * torch.polar(torch.ones_like(turns), turns)
        return torch.cat([pairs.real, pairs.imag, hidden[..., 4:]], dim=-1)

    start = "bert.embeddings"
    words = state[f"{start}.word_embeddings.weight"]
    hidden = words[tokens] + state[f"{start}.token_type_embeddings.weight"][0]
    positions = state.get(f"{start}.position_embeddings.weight")
    hidden = hidden if positions is None else hidden + positions[: tokens.shape[1]]
    hidden = normed(f"{start}.LayerNorm", hidden)
    for layer in ("bert.encoder.layer.0", "bert.encoder.layer.1"):
        first = normed(f"{layer}.pre_attention_ln", hidden)
        query, key, value = (
            heads(linear(f"{layer}.attention.self.{part}", first))
            for part in ("query", "key", "value")
        )
        if positions is None:
            query, key = turned(query), turned(key)
        shares = (query @ key.mT / 8**0.5).softmax(dim=-1)
        gathered = (shares @ value).transpose(1, 2).flatten(2)
        hidden = hidden + linear(f"{layer}.attention.output.dense", gathered)
        first = normed(f"{layer}.post_attention_ln", hidden)
        inner = functional.gelu(linear(f"{layer}.intermediate.dense", first))
        hidden = hidden + linear(f"{layer}.output.dense", inner)
    if "bert.encoder.last_layer_ln.weight" in state:
        hidden = normed("bert.encoder.last_layer_ln", hidden)
    head = "cls.predictions"
    hidden = functional.gelu(linear(f"{head}.transform.dense", hidden))
    hidden = normed(f"{head}.transform.LayerNorm", hidden)
    return functional.log_softmax(hidden @ words.T + state[f"{head}.bias"], dim=-1)


@pytest.mark.parametrize("name", GENA)
def test_published_gena_lm_models_are_read(name: str) -> None:
    config = gena_config(name)
    adapter, state = adapter_for(config), gena_weights(config)
    shape = adapter.architecture(config)
    assert (shape.family == "bigbird") == (name == "sparse")
    assert native_adapter(shape) is None
    loaded = adapter.read(state, shape)
    assert sorted([*loaded.report.used, *loaded.report.ignored]) == sorted(state)
    ours = shaken(shape, seed=3)
    ours.load_state_dict(loaded.weights)
    tokens = torch.randint(5, VOCABULARY, (2, 20))
    found = ours(tokens, None, torch.ones_like(tokens, dtype=torch.bool)).log_softmax(dim=-1)
    assert torch.allclose(found, gena_scores(state, tokens).flatten(0, 1), atol=1e-5)
    del state["bert.encoder.layer.1.pre_attention_ln.bias"]
    with pytest.raises(InputError, match=r"missing bert.encoder.layer.1.pre_attention_ln.bias"):
        adapter.read(state, shape)
