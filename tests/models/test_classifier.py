"""Heads that sort sequences into classes."""

import pytest
import torch

from pipeline_lib.models.classifier import POOLINGS, SequenceClassifier
from pipeline_lib.models.transformer import Transformer
from tests.models.conftest import VOCABULARY, small


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_never_changes_a_score(pooling: str) -> None:
    torch.manual_seed(2)
    classifier = SequenceClassifier(Transformer(small(), VOCABULARY), 2, pooling).eval()
    tokens, focus = torch.randint(5, VOCABULARY, (3, 12)), torch.tensor([4, 5, 6])
    padded = torch.cat([tokens, torch.full((3, 6), 3)], dim=1)
    mask = torch.arange(18).expand(3, 18) < 12
    expected = classifier(tokens, None, focus)
    assert torch.allclose(classifier(padded, mask, focus), expected, atol=1e-5)


def test_a_causal_model_is_asked_at_its_last_token() -> None:
    torch.manual_seed(2)
    shape = small(family="gpt2", attention="causal", norm="pre")
    encoder = Transformer(shape, VOCABULARY)
    classifier = SequenceClassifier(encoder, 2, "cls", causal=True).eval()
    tokens, focus = torch.randint(5, VOCABULARY, (3, 12)), torch.tensor([4, 5, 6])
    expected = classifier.head(encoder(tokens)[:, -1])
    assert torch.allclose(classifier(tokens, None, focus), expected, atol=1e-6)
    mask = torch.arange(12) < torch.tensor([[12], [7], [3]])
    short = classifier(tokens, mask, focus)
    assert torch.allclose(short[2], classifier(tokens[2:, :3], None, focus[2:])[0], atol=1e-5)


def test_center_sees_the_focus() -> None:
    torch.manual_seed(2)
    classifier = SequenceClassifier(Transformer(small(), VOCABULARY), 2, "center").eval()
    tokens = torch.randint(5, VOCABULARY, (1, 12))
    first, second = (classifier(tokens, None, torch.tensor([place])) for place in (3, 8))
    assert not torch.allclose(first, second, atol=1e-4)


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="'max' is none of"):
        SequenceClassifier(Transformer(small(), VOCABULARY), 2, "max")


def test_numbers_are_seen_beside_the_sequence() -> None:
    torch.manual_seed(2)
    classifier = SequenceClassifier(Transformer(small(), VOCABULARY), 3, "cls", numbers=2).eval()
    tokens, focus = torch.randint(5, VOCABULARY, (4, 12)), torch.zeros(4, dtype=torch.long)
    numbers = torch.randn(4, 2)
    found = classifier(tokens, None, focus, numbers)
    assert found.shape == (4, 3)
    pooled = classifier.pool(tokens, None, focus)
    assert pooled.shape == (4, classifier.pooled_width)
    weight, bias = classifier.head.weight, classifier.head.bias
    expected = pooled @ weight[:, :-2].T + numbers @ weight[:, -2:].T + bias
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_head_computes_in_full_precision() -> None:
    torch.manual_seed(2)
    classifier = SequenceClassifier(Transformer(small(), VOCABULARY), 1, "mean").eval()
    tokens, focus = torch.randint(5, VOCABULARY, (64, 12)), torch.zeros(64, dtype=torch.long)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = classifier(tokens, None, focus)
    assert found.dtype == torch.float32
    assert len(found.unique()) > len(found.bfloat16().unique())
