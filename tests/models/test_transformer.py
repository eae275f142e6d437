"""The encoder: padding, length, positions, learning."""

import pytest
import torch

from pipeline_lib.errors import InputError
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.transformer import Transformer, rotary_angles, rotate
from tests.models.conftest import VOCABULARY, small


def test_padding_never_changes_what_a_token_sees(model: MaskedLanguageModel) -> None:
    tokens = torch.randint(5, VOCABULARY, (3, 12))
    padded = torch.cat([tokens, torch.full((3, 5), 3)], dim=1)
    mask = torch.arange(17).expand(3, 17) < 12
    alone = model.encoder(tokens)
    assert torch.allclose(model.encoder(padded, mask)[:, :12], alone, atol=1e-5)
    assert not torch.allclose(model.encoder(padded)[:, :12], alone, atol=1e-3)


def test_order_matters(model: MaskedLanguageModel) -> None:
    tokens = torch.arange(5, 15)[None]
    swapped = tokens.clone()
    swapped[0, [0, 9]] = tokens[0, [9, 0]]
    assert not torch.allclose(model.encoder(tokens)[0, 4], model.encoder(swapped)[0, 4], atol=1e-3)


def test_an_input_longer_than_the_context_is_refused(model: MaskedLanguageModel) -> None:
    with pytest.raises(InputError, match=r"25 tokens .* at most 24 tokens.*`context_length`"):
        model.encoder(torch.zeros(1, 25, dtype=torch.int64))


def test_rotation_depends_on_distance_alone() -> None:
    query, key = torch.randn(2, 1, 8)
    cosine, sine = rotary_angles(12, 8, torch.device("cpu"))
    products = [
        (rotate(query, cosine[i], sine[i]) * rotate(key, cosine[i + 3], sine[i + 3])).sum()
        for i in range(9)
    ]
    assert torch.allclose(torch.stack(products), products[0].expand(9), atol=1e-5)


def test_the_output_layer_is_computed_at_targets_in_order(model: MaskedLanguageModel) -> None:
    tokens = torch.randint(5, VOCABULARY, (2, 10))
    everywhere = model(tokens, None, torch.ones(2, 10, dtype=torch.bool)).view(2, 10, -1)
    targets = torch.zeros(2, 10, dtype=torch.bool)
    targets[0, 3] = targets[1, 0] = targets[1, 9] = True
    assert torch.allclose(model(tokens, None, targets), everywhere[targets], atol=1e-5)


def test_the_output_bias_starts_from_frequencies() -> None:
    model = MaskedLanguageModel(small(), VOCABULARY)
    counts = torch.arange(VOCABULARY)
    model.start_from_frequencies(counts)
    assert torch.allclose(model.bias.exp(), (counts + 0.5) / (counts + 0.5).sum())


def test_the_number_of_parameters_is_that_of_bert() -> None:
    shape = small(layers=12, width=768, heads=12, feedforward_width=3072, context_length=512)
    with torch.device("meta"):
        encoder = Transformer(shape, 32_000)
    # 85,054,464 in 12 layers; embeddings of 32,000 tokens and 512 positions; one norm.
    assert sum(p.numel() for p in encoder.parameters()) == 85_054_464 + 32_512 * 768 + 2 * 768
