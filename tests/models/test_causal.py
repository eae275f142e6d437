"""Models of the next token: no look ahead, numbers, generation."""

import pytest
import torch

from pipeline_lib.errors import InputError
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.embedding import Numbers
from pipeline_lib.models.generation import generate
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.sampling import Sampling
from tests.models.conftest import CAUSAL, MODERN, VOCABULARY, shaken


@pytest.fixture(params=CAUSAL, ids=str)
def causal(request: pytest.FixtureRequest) -> CausalLanguageModel:
    model = shaken(CAUSAL[request.param])
    assert isinstance(model, CausalLanguageModel)
    return model


def test_a_token_changes_nothing_before_it(causal: CausalLanguageModel) -> None:
    tokens = torch.randint(5, VOCABULARY, (1, 20))
    changed = tokens.clone()
    changed[0, 11] = tokens[0, 11] % 30 + 6
    before, after = causal.encoder(tokens)[0], causal.encoder(changed)[0]
    assert torch.allclose(before[:11], after[:11], atol=1e-6)
    assert ((before - after)[11:].abs().amax(dim=1) > 1e-3).all()


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.0),
        Sampling(),
        Sampling(temperature=0.7, top_k=5),
        Sampling(top_p=0.8, top_k=20, allowed=tuple(range(7, 30))),
    ],
    ids=["greedy", "plain", "top-k", "top-p"],
)
def test_the_cache_changes_no_token(causal: CausalLanguageModel, sampling: Sampling) -> None:
    prompt = torch.randint(5, VOCABULARY, (3, 4))
    results = [
        generate(causal, prompt, 20, sampling=sampling, generator=seeded(8), cached=cached)
        for cached in (True, False)
    ]
    assert torch.equal(*results)
    assert results[0].shape == (3, 20)


def test_a_cache_may_be_filled_in_pieces(causal: CausalLanguageModel) -> None:
    tokens, cache = torch.randint(5, VOCABULARY, (2, 15)), Cache(causal.encoder.architecture, 15)
    pieces = [causal.encoder(piece, cache=cache) for piece in tokens.split([6, 1, 5, 3], dim=1)]
    assert torch.allclose(torch.cat(pieces, dim=1), causal.encoder(tokens), atol=1e-5)


def test_the_seed_decides(causal: CausalLanguageModel) -> None:
    prompt = torch.randint(5, VOCABULARY, (2, 4))
    first, same, other = (generate(causal, prompt, 18, generator=seeded(n)) for n in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_tokens_are_drawn_as_often_as_they_are_likely(causal: CausalLanguageModel) -> None:
    prompt = torch.randint(5, VOCABULARY, (1, 4)).expand(4000, -1)
    drawn = generate(causal, prompt, 1, generator=seeded(3))[:, 0]
    shares = torch.bincount(drawn, minlength=VOCABULARY) / 4000
    expected = causal.next_scores(prompt[:1]).softmax(dim=-1)[0]
    # Four standard deviations of a share of 4,000 lots.
    assert ((shares - expected).abs() <= 4 * (expected * (1 - expected) / 4000).sqrt() + 1e-3).all()


def test_sequences_end_at_a_stop_token(causal: CausalLanguageModel) -> None:
    prompt = torch.randint(5, VOCABULARY, (4, 4))
    stop = int(generate(causal, prompt, 20, generator=seeded(5))[0, 3])
    result = generate(causal, prompt, 20, generator=seeded(5), stop=[stop])
    ended = (result[0] == stop).nonzero()[0, 0]
    assert (result[0, ended:] == stop).all()
    everything = generate(causal, prompt, 20, generator=seeded(5), stop=range(VOCABULARY))
    assert everything.shape == (4, 1)


@pytest.mark.parametrize(("length", "count"), [(4, 30), (0, 3)])
def test_what_does_not_fit_into_the_context_is_refused(length: int, count: int) -> None:
    with pytest.raises(InputError, match="do not fit into the context"):
        generate(shaken(CAUSAL["gpt2"]), torch.zeros(1, length, dtype=torch.int64), count)


def test_numbers_are_spliced_where_they_are_told() -> None:
    model = shaken(CAUSAL["dnagpt"])
    tokens, values = torch.randint(5, VOCABULARY, (2, 10)), torch.randn(2, 3)
    plain, spliced = model.encoder(tokens), model.encoder(tokens, numbers=Numbers(values, -2))
    assert spliced.shape == (2, 13, 32)
    assert torch.allclose(spliced[:, :8], plain[:, :8], atol=1e-6)
    other = model.encoder(tokens, numbers=Numbers(values + 1, -2))
    assert torch.allclose(other[:, :8], spliced[:, :8], atol=1e-6)
    assert not torch.allclose(other[:, 8:], spliced[:, 8:], atol=1e-3)
    everywhere = torch.ones(2, 13, dtype=torch.bool)
    assert model(tokens, None, everywhere, numbers=Numbers(values, -2)).shape == (26, VOCABULARY)


def test_a_number_can_be_learnt_from_numbers() -> None:
    torch.manual_seed(2)
    model = CausalLanguageModel(CAUSAL["dnagpt"].model_copy(update={"init_std": 0.1}), VOCABULARY)
    tokens, values = torch.randint(5, VOCABULARY, (8, 6)), torch.randn(8, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(150):
        found = model.regress(tokens, numbers=Numbers(values, 5))
        loss = (found - values.sum(dim=1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.01


def test_a_number_is_read_at_the_last_token() -> None:
    model, tokens = shaken(CAUSAL["dnagpt"]), torch.randint(5, VOCABULARY, (2, 10))
    mask = torch.arange(10) < torch.tensor([[10], [6]])
    found = model.regress(tokens, mask)
    assert torch.allclose(found[1], model.regress(tokens[1:, :6])[0], atol=1e-5)


def test_models_without_numbers_refuse_them() -> None:
    model, tokens = shaken(CAUSAL["gpt2"]), torch.randint(5, VOCABULARY, (2, 10))
    with pytest.raises(InputError, match="`numbers`"):
        model.encoder(tokens, numbers=Numbers(torch.zeros(2, 1), 0))
    with pytest.raises(InputError, match="no head for numbers"):
        model.regress(tokens)


def test_each_model_refuses_the_other_kind_of_attention() -> None:
    with pytest.raises(InputError, match="next token with `attention: local`"):
        CausalLanguageModel(MODERN, VOCABULARY)
    with pytest.raises(InputError, match="a causal model for masked tokens"):
        MaskedLanguageModel(CAUSAL["gpt2"], VOCABULARY)
