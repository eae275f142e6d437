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
from pipeline_lib.models.adapters import ADAPTERS, adapter_of, read_architecture
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
    adapter = adapter_of(architecture)
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
    exported = adapter_of(shape).export(slopes)
    compared = [n for n in exported if n in by_name and "token_type" not in n]
    assert len(compared) >= len(list(ours.parameters()))
    for key in compared:
        assert torch.allclose(exported[key], by_name[key].grad, atol=1e-4), key


@pytest.mark.parametrize("name", SHAPES)
def test_a_model_of_transformers_becomes_ours(name: str) -> None:
    theirs = theirs_of(shaken(SHAPES[name]), SHAPES[name])
    shape = read_architecture(theirs.config.to_dict())
    loaded = adapter_of(shape).read(theirs.state_dict(), shape)
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
    "changes", [{"tracks": 3}, {"feedforward": "conv"}, {"norm": "pre", "final_norm": True}]
)
def test_shapes_without_a_class_keep_all_weights(changes: dict[str, object]) -> None:
    shape = ALBERT.model_copy(update=changes)
    ours, adapter = shaken(shape), ADAPTERS["albert"]
    assert not adapter.fits(shape)
    assert adapter.config(shape, VOCABULARY)["model_type"] == "dnalm-transformer"
    again = adapter.read(adapter.export(ours), shape).weights
    assert all(torch.equal(again[name], weight) for name, weight in ours.state_dict().items())
