"""What holds for every family: padding, packing, learning, precision, published sizes."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config import load_architecture
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
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


@pytest.mark.parametrize(
    "name", ["bert", "pre-norm", "modernbert", "bigbird", "albert", "logo", "gpt2", "dnagpt"]
)
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


@pytest.mark.parametrize("name", ["bert", "modernbert", "bigbird", "albert", "gpt2"])
def test_compiled_models_are_the_same(name: str) -> None:
    torch._dynamo.reset()
    layers = 2 if name == "modernbert" else 1  # a full one and a local one
    changes = {"init_std": 0.1, "layers": layers, "global_every": 2}
    shape = FAMILIES[name].model_copy(update=changes)
    model = shaken(shape)
    tokens = torch.randint(5, VOCABULARY, (2, min(50, shape.context_length)))
    # The whole model is one graph, forwards and backwards; BigBird's is cut where lots are drawn.
    # The graph is run as it is: to make machine code of it takes minutes on a CPU.
    whole = name != "bigbird"
    compiled = torch.compile(model.encoder, backend="aot_eager", fullgraph=whole)
    results = []
    for encoder in (model.encoder, compiled):
        model.zero_grad()
        hidden = encoder(tokens)
        hidden.square().mean().backward()
        results.append((hidden.detach(), model.encoder.tokens.weight.grad.clone()))
    for plain, found in zip(*results, strict=True):
        assert torch.allclose(found, plain, atol=1e-6)


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


PRESETS = sorted(
    file.stem for file in (Path(__file__).parents[2] / "config" / "models").glob("*.yaml")
)
SIZES = {
    "bert-base": (32_000, 110_649_344),
    "bert-large": (32_000, 336_687_360),
    "gena-lm-bert-base": (32_000, 110_649_344),
    "gena-lm-bert-base-t2t": (32_000, 110_649_344),
    "gena-lm-bert-base-lastln-t2t": (32_000, 110_650_880),
    "gena-lm-bert-large-t2t": (32_000, 336_689_408),
    "gena-lm-bigbird-base-sparse": (32_000, 110_256_128),
    "gena-lm-bigbird-base-sparse-t2t": (32_000, 110_257_664),
    "gena-lm-bigbird-base-t2t": (32_000, 113_401_856),
    "bigbird-base": (32_000, 113_401_856),
    "moderngena-base": (32_768, 136_120_832),
    "moderngena-large": (32_768, 377_841_664),
    "logo": (5**5 + 13, 1_326_530),
    "logo-conv": (5**5 + 13, 1_162_050),
    "logo-knowledge": (5**5 + 13, 1_165_378),
    "dnagpt-h": (15_659, 113_925_120),
    "dnagpt-s-512": (19_564, 117_170_688),
    "dnagpt-m": (19_564, 117_170_688 + 3_584 * 768),
    "dnagpt-b-512": (19_564, 3_113_922_560),
    "dnagpt-3b": (19_564, 3_113_922_560),
    "hyenadna-tiny-1k": (16, 436_096),
    "hyenadna-tiny-16k": (16, 436_096),
    "hyenadna-small-32k": (16, 3_277_568),
    "hyenadna-medium-160k": (16, 6_550_528),
    "hyenadna-medium-450k": (16, 6_550_528),
    "hyenadna-large-1m": (16, 6_550_528),
}


def count(shape: AnyArchitecture, vocabulary: int) -> int:
    with torch.device("meta"):
        model = build_model(shape, vocabulary)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("preset", SIZES)
def test_presets_have_the_published_sizes(preset: str, root: Path) -> None:
    shape = load_architecture(preset, {}, [root / "config" / "models"])
    vocabulary, expected = SIZES[preset]
    assert getattr(shape, "published_vocabulary", None) in (vocabulary, None)
    assert count(shape, vocabulary) == expected


@pytest.mark.parametrize(("k", "expected"), [(3, 939_530), (4, 1_004_030), (6, 2_939_030)])
def test_logo_has_the_published_sizes(k: int, expected: int, root: Path) -> None:
    shape = load_architecture("logo", {}, [root / "config" / "models"])
    assert count(shape, 5**k + 13) == expected


def test_every_published_preset_is_listed_here() -> None:
    # The demo's own models, chosen to train in minutes, end in `mini`.
    published = {name for name in PRESETS if not name.endswith("-mini")}
    assert published == set(SIZES)


def narrow(preset: str, root: Path) -> AnyArchitecture:
    """Return a preset with everything that makes it large made small."""
    folders = [root / "config" / "models"]
    shape = load_architecture(preset, {}, folders)
    small = {
        "layers": 2, "width": 32, "heads": 4, "feedforward_width": 40, "context_length": 96,
        "block_size": 4, "local_window": 8, "dropout": 0.0, "embedding_dropout": 0.0,
        "filter_width": 8, "filter_length": 98,
        "rotary_width": 4 if getattr(shape, "rotary_width", None) else None,
        "embedding_width": 12 if getattr(shape, "embedding_width", None) else None,
    }  # fmt: skip
    changes = {key: value for key, value in small.items() if key in type(shape).model_fields}
    return load_architecture(preset, changes, folders)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_takes_a_step(preset: str, root: Path) -> None:
    torch.manual_seed(0)
    shape = narrow(preset, root)
    model = build_model(shape, VOCABULARY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens = torch.randint(5, VOCABULARY, (2, 96))
    mask = torch.arange(96) < torch.tensor([[96], [80]])
    targets = mask.roll(-1, 1) & mask
    answers = tokens.roll(-1, 1)[targets] if model.causal else tokens[targets]
    tracks = getattr(shape, "tracks", 0)
    more = {"tracks": torch.randint(0, 2, (2, 96, tracks))} if tracks else {}
    losses = []
    for _ in range(2):
        loss = functional.cross_entropy(model(tokens, mask, targets, **more), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0] < 2 * math.log(VOCABULARY)
    unused = [name for name, p in model.named_parameters() if p.grad is None]
    assert all("regression" in name or "numbers" in name for name in unused)
