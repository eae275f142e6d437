"""What holds for every family: padding, packing, learning, precision, published sizes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config import load_architecture
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.adapter import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.feedforward import Convolution
from pipeline_lib.models.layout import pack
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.transformer import Transformer
from tests.models.conftest import ALBERT, FAMILIES, MASKED, VOCABULARY, shaken

LENGTHS = (60, 9, 50, 57, 21, 1)


def sequences(architecture: Architecture) -> list[Tensor]:
    longest = architecture.context_length
    return [torch.randint(5, VOCABULARY, (min(length, longest),)) for length in LENGTHS]


@pytest.mark.parametrize("name", FAMILIES)
def test_padding_never_changes_what_a_token_sees(name: str) -> None:
    encoder = shaken(FAMILIES[name]).encoder
    rows = sequences(FAMILIES[name])
    longest = max(len(row) for row in rows)
    tokens = torch.stack([functional.pad(row, (0, longest - len(row)), value=3) for row in rows])
    mask = torch.arange(longest) < torch.tensor([[len(row)] for row in rows])
    together = encoder(tokens, mask)
    assert together.isfinite().all()
    for row, found in zip(rows, together, strict=True):
        assert torch.allclose(found[: len(row)], encoder(row[None])[0], atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"logo"}))
def test_sequences_end_to_end_do_not_see_each_other(name: str) -> None:
    model = shaken(FAMILIES[name])
    rows = sequences(FAMILIES[name])
    tokens, lengths = pack(rows)
    packed = model.encoder(tokens, lengths=lengths)
    alone = torch.cat([model.encoder(row[None])[0] for row in rows])
    assert torch.allclose(packed, alone, atol=1e-5)
    slopes = []
    for result in (packed, alone):
        model.zero_grad()
        result.square().sum().backward()
        slopes.append(model.encoder.tokens.weight.grad.clone())
    assert torch.allclose(slopes[0], slopes[1], rtol=1e-4, atol=1e-3)


def test_lengths_that_do_not_add_up_are_refused() -> None:
    encoder = shaken(FAMILIES["modernbert"]).encoder
    with pytest.raises(InputError, match="2 lengths of 9 tokens for 8 tokens"):
        encoder(torch.zeros(8, dtype=torch.int64), lengths=[4, 5])


def test_convolutions_refuse_sequences_end_to_end() -> None:
    with pytest.raises(InputError, match="convolutions, which would see across"):
        shaken(FAMILIES["logo"]).encoder(torch.zeros(8, dtype=torch.int64), lengths=[4, 4])


def test_sparse_attention_refuses_padding_on_the_left() -> None:
    mask = torch.tensor([[False, True, True], [True, True, True]])
    with pytest.raises(InputError, match="padding before the last token"):
        shaken(FAMILIES["bigbird"]).encoder(torch.zeros(2, 3, dtype=torch.int64), mask)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_batch_can_be_learnt_by_heart(name: str) -> None:
    shape = FAMILIES[name].model_copy(update={"init_std": 0.1})
    torch.manual_seed(0)
    model = build_model(shape, VOCABULARY)
    tokens = torch.randint(5, VOCABULARY, (4, min(50, shape.context_length)))
    targets = torch.rand(tokens.shape) < 0.15
    targets[:, -1] = False
    causal = shape.attention == "causal"
    answers = tokens.roll(-1, 1)[targets] if causal else tokens[targets]
    hidden = tokens if causal else tokens.masked_fill(targets, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(300):
        loss = functional.cross_entropy(model(hidden, None, targets), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if float(loss.detach()) < 0.02:
            return
    raise AssertionError(f"the loss is still {float(loss.detach())}")


@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_is_close(name: str) -> None:
    model = shaken(FAMILIES[name].model_copy(update={"init_std": 0.1}))
    tokens = torch.randint(5, VOCABULARY, (2, min(60, FAMILIES[name].context_length)))
    everywhere = torch.ones_like(tokens, dtype=torch.bool)
    exact = model(tokens, None, everywhere).detach()
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(tokens, None, everywhere).detach()
    # bfloat16 has 8 significant bits: 0.4 % a rounding, some ten of them one after another.
    assert float((rough.float() - exact).norm() / exact.norm()) < 0.03


@pytest.mark.parametrize("name", MASKED)
def test_every_family_can_classify(name: str) -> None:
    classifier = SequenceClassifier(Transformer(MASKED[name], VOCABULARY), 3, "mean")
    assert classifier(torch.zeros(2, 8, dtype=torch.int64), None, torch.zeros(2)).shape == (2, 3)


def test_tracks_tell_tokens_apart() -> None:
    shape = ALBERT.model_copy(update={"tracks": 13, "embedding_kernels": (2, 3, 5)})
    model = shaken(shape)
    tokens, everywhere = torch.full((1, 8), 7), torch.ones(1, 8, dtype=torch.bool)
    tracks = torch.zeros(1, 8, 13, dtype=torch.int64)
    plain = model(tokens, None, everywhere, tracks=tracks)
    tracks[0, 3, 5] = 1
    assert not torch.allclose(model(tokens, None, everywhere, tracks=tracks), plain, atol=1e-3)
    with pytest.raises(InputError, match="2 annotation tracks for a model of 13"):
        model(tokens, None, everywhere, tracks=tracks[..., :2])
    with pytest.raises(InputError, match="13 annotation tracks"):
        model(tokens, None, everywhere)


def test_shared_layers_are_one() -> None:
    model = MaskedLanguageModel(ALBERT, VOCABULARY)
    assert len(model.encoder.layers) == 1
    deeper = MaskedLanguageModel(ALBERT.model_copy(update={"layers": 6}), VOCABULARY)
    assert sum(p.numel() for p in deeper.parameters()) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_a_convolution_is_that_of_torch(kernel: int) -> None:
    ours, hidden = Convolution(8, kernel), torch.randn(2, 11, 8)
    around = ((kernel - 1) // 2, kernel // 2)
    expected = ours.convolve(functional.pad(hidden.transpose(1, 2), around)).transpose(1, 2)
    assert torch.allclose(ours(hidden), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "vocabulary", "count"),
    [
        ("bert-base", 32_000, 110_649_344),
        ("bert-large", 32_000, 336_687_360),
        ("moderngena-base", 32_768, 136_120_832),
        ("moderngena-large", 32_768, 377_841_664),
        ("bigbird-base", 32_000, 113_401_856),
        ("logo", 5**3 + 13, 939_530),
        ("logo", 5**4 + 13, 1_004_030),
        ("logo", 5**5 + 13, 1_326_530),
        ("logo", 5**6 + 13, 2_939_030),
        ("dnagpt-h", 15_659, 113_925_120),
        ("dnagpt-s-512", 19_564, 117_170_688),
        ("dnagpt-m", 19_564, 117_170_688 + 3_584 * 768),
        ("dnagpt-b-512", 19_564, 3_113_922_560),
    ],
)
def test_presets_have_the_published_sizes(
    preset: str, vocabulary: int, count: int, root: Path
) -> None:
    shape = load_architecture(preset, {}, [root / "config" / "models"])
    with torch.device("meta"):
        model = build_model(shape, vocabulary)
    assert sum(parameter.numel() for parameter in model.parameters()) == count
