"""Low-rank additions: nothing at first, little to train, nothing left of them at the end."""

import copy

import pytest
import torch

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.finetuning.lora import add_low_rank, linear_layers, merge_low_rank
from pipeline_lib.models.build import build_model
from pipeline_lib.models.hyena_language import complements_of
from tests.finetuning import toys

WORDS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "A", "C", "G", "T", "N"]
SHAPES = {
    "bert": toys.SHAPE,
    "albert": Architecture(
        family="albert", layers=3, share_layers=True, width=16, heads=2, feedforward_width=24,
        embedding_width=8, context_length=24, dropout=0.0,
    ),
    "gpt2": toys.GPT.model_copy(update={"dropout": 0.0}),
    "modernbert": Architecture(
        family="modernbert", layers=2, norm="pre", final_norm=True, first_norm=False, bias=False,
        positions="rotary", attention="local", local_window=8, feedforward="gated", width=16,
        heads=2, feedforward_width=24, context_length=24, dropout=0.0,
    ),
    "hyena": toys.HYENA.model_copy(update={"embedding_dropout": 0.0}),
    "both strands": toys.HYENA.model_copy(update={"equivariant": True, "embedding_dropout": 0.0}),
}  # fmt: skip


def encoder_of(name):
    torch.manual_seed(3)
    return build_model(SHAPES[name], len(WORDS), complements_of(WORDS)).encoder.eval()


def shake(encoder):
    """Give the additions values, as if they had been trained."""
    for name, weight in encoder.named_parameters():
        if name.endswith((".up", ".down")):
            torch.nn.init.normal_(weight, std=0.5)


@pytest.mark.parametrize("name", SHAPES)
def test_additions_are_nothing_at_first_and_stay_when_merged(name):
    encoder = encoder_of(name)
    before = copy.deepcopy(encoder.state_dict())
    tokens = torch.randint(5, len(WORDS), (3, 12))
    with torch.no_grad():
        start = encoder(tokens)
        count = add_low_rank(encoder, rank=2, alpha=4)
        torch.testing.assert_close(encoder(tokens), start)
        trained = [weight for weight in encoder.parameters() if weight.requires_grad]
        assert sum(weight.numel() for weight in trained) == count > 0
        shake(encoder)
        tuned = encoder(tokens)
        assert (tuned - start).abs().max() > 1e-3
        merge_low_rank(encoder)
        torch.testing.assert_close(encoder(tokens), tuned)
    after = encoder.state_dict()
    assert after.keys() == before.keys()
    assert all(weight.requires_grad for weight in encoder.parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == len(linear_layers(encoder)) > 0
    for name in changed:
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-4) == 2


def test_an_addition_is_that_of_the_formula():
    encoder = encoder_of("bert")
    add_low_rank(encoder, rank=4, alpha=6)
    shake(encoder)
    layer = linear_layers(encoder)[0]
    state = layer.state_dict()
    original, down, up = (
        state[f"parametrizations.weight.{name}"] for name in ("original", "0.down", "0.up")
    )
    vectors = torch.randn(5, layer.in_features)
    expected = vectors @ original.T + 6 / 4 * (vectors @ down.T) @ up.T + layer.bias
    torch.testing.assert_close(layer(vectors), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "hyena"])
def test_gradients_reach_the_additions_alone(name):
    encoder = encoder_of(name)
    add_low_rank(encoder, rank=2, alpha=4)
    shake(encoder)
    encoder(torch.randint(5, len(WORDS), (3, 12))).square().sum().backward()
    for where, weight in encoder.named_parameters():
        if where.endswith((".up", ".down")):
            assert weight.grad.abs().max() > 0
        else:
            assert weight.grad is None
