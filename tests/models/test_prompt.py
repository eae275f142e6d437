"""Soft prompts: vectors before the tokens, of any encoder, that leave nothing behind."""

import copy

import pytest
import torch

from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.models.prompt import SoftPrompt, prompt_vectors, remove_prompt
from tests.finetuning.test_lora import SHAPES, WORDS
from tests.models.conftest import small


def encoder_of(name: str) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_model(SHAPES[name], len(WORDS), complements_of(WORDS)).encoder.eval()


@pytest.mark.parametrize("name", SHAPES)
def test_a_prompt_of_known_tokens_is_those_tokens(name: str) -> None:
    encoder = encoder_of(name)
    before = copy.deepcopy(encoder.state_dict())
    tokens = torch.randint(5, len(WORDS), (3, 12))
    mask = torch.arange(12) < torch.tensor([[12], [7], [9]])
    shown = torch.tensor([5, 7, 6])
    with torch.no_grad():
        longer = torch.cat([shown.expand(3, -1), tokens], dim=1)
        expected = encoder(longer, torch.cat([mask.new_ones(3, 3), mask], dim=1))
        prompt = SoftPrompt(encoder, 3)
        rows = encoder.strand.tokens if name == "both strands" else encoder.tokens
        prompt_vectors(encoder).copy_(rows.weight[shown])
        found = encoder(*prompt(tokens, mask))
        if name == "both strands":  # the second strand is shown the same, not its complement
            width = encoder.width // 2
            reads = torch.cat([shown.expand(3, -1), encoder.complements[tokens]], dim=1).flip(1)
            turned = torch.cat([mask.new_ones(3, 3), mask], dim=1).flip(1)
            expected[..., width:] = encoder.strand(reads, turned).flip(1, 2)
        kept = torch.cat([mask.new_ones(3, 3), mask], dim=1)
        torch.testing.assert_close(found[kept], expected[kept], rtol=1e-4, atol=1e-5)
        remove_prompt(encoder)
        plain = encoder(tokens, mask)
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert encoder.state_dict().keys() == before.keys()
    assert plain.shape[:2] == tokens.shape
    assert all(weight.requires_grad for weight in encoder.parameters())


@pytest.mark.parametrize("name", ["bert", "hyena", "both strands"])
def test_gradients_reach_the_prompt_alone(name: str) -> None:
    encoder = encoder_of(name)
    classifier = SequenceClassifier(encoder, 2, "attention", prompt_tokens=4)
    tokens, focus = torch.randint(5, len(WORDS), (3, 12)), torch.zeros(3, dtype=torch.long)
    classifier(tokens, None, focus).square().sum().backward()
    trained = {key for key, weight in classifier.named_parameters() if weight.grad is not None}
    assert {key.rpartition(".")[2] for key in trained} == {"rows", "weight", "bias", "query"}
    assert prompt_vectors(encoder).grad.abs().max() > 0
    own = classifier.own_weights()
    assert {key: tuple(value.shape) for key, value in own.items()} == {
        "weight": (2, encoder.width), "bias": (2,), "query": (encoder.width,),
        "prompt": tuple(prompt_vectors(encoder).shape),
    }  # fmt: skip


def test_a_model_with_memory_takes_no_prompt() -> None:
    shape = small(memory={"tokens": 2, "segments": 2})
    encoder = build_model(shape, len(WORDS)).encoder
    with pytest.raises(InputError, match=r"`method: prompt` with a model that has recurrent"):
        SoftPrompt(encoder, 3)
