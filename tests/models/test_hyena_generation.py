"""Generation: equal to computing everything anew for each token."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena_generation import generate
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.sampling import Sampling, choose
from tests.models.hyena_shapes import bases, small_model

GREEDY = Sampling(temperature=0)
BASES = (7, 8, 9, 10)


def anew(
    model: HyenaLanguageModel, prompt: torch.Tensor, count: int, sampling: Sampling, seed: int
) -> torch.Tensor:
    """Generate by a full forward pass for each token."""
    generator, tokens = torch.Generator().manual_seed(seed), prompt
    for _ in range(count):
        chosen = choose(model(tokens)[:, -1], sampling, generator)
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
    return tokens[:, prompt.shape[1] :]


@settings(deadline=None, max_examples=12)
@given(
    length=st.integers(1, 60), count=st.integers(1, 90), batch=st.integers(1, 3),
    beyond=st.sampled_from(["stop", "extend"]),
    sampling=st.sampled_from([GREEDY, Sampling(), Sampling(0.7, 5, 0.9, BASES)]),
)  # fmt: skip
def test_equal_to_full_recomputation(
    length: int, count: int, batch: int, beyond: str, sampling: Sampling
) -> None:
    model = small_model(seed=length, filter_beyond=beyond).double()
    prompt = bases(batch, length)
    generator = torch.Generator().manual_seed(3)
    found = generate(model, prompt, count, sampling=sampling, generator=generator)
    assert torch.equal(found, anew(model, prompt, count, sampling, seed=3))


def test_equal_to_full_recomputation_in_long_blocks() -> None:
    model = small_model(context_length=400)
    prompt = bases(2, 30)
    found = generate(model, prompt, 300, sampling=GREEDY)
    whole = torch.cat([prompt, found], dim=1)
    logits = model(whole)[:, 29:-1]
    chosen = logits.gather(2, found[..., None])[..., 0]
    assert (chosen >= logits.max(dim=-1).values - 1e-4).all()


def test_a_seed_gives_the_same_tokens_and_training_goes_on() -> None:
    model = small_model(embedding_dropout=0.5).train()
    runs = [
        generate(model, bases(1, 5) * 0 + 7, 40, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    assert model.training


def test_nothing_to_add() -> None:
    assert generate(small_model(), bases(2, 5), 0).shape == (2, 0)


def test_top_k_and_top_p_leave_the_likeliest() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(2000, 4)
    generator = torch.Generator().manual_seed(0)

    def drawn(sampling: Sampling) -> set[int]:
        return set(choose(logits, sampling, generator).tolist())

    assert drawn(Sampling()) == {0, 1, 2, 3}
    assert drawn(Sampling(top_k=2)) == {0, 1}
    assert drawn(Sampling(top_k=9)) == {0, 1, 2, 3}
    assert drawn(Sampling(top_p=0.81)) == {0, 1, 2}
    assert drawn(Sampling(top_p=0.79)) == {0, 1}
    assert drawn(Sampling(top_p=0.01)) == {0}
    assert drawn(Sampling(allowed=(1, 3))) == {1, 3}
    assert drawn(Sampling(temperature=0, allowed=(2, 3))) == {2}
    share = choose(logits, Sampling(), generator).eq(0).float().mean()
    assert abs(share - 0.5) < 0.05


@pytest.mark.parametrize(
    "changes", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"allowed": ()}], ids=str
)
def test_settings_that_leave_no_token_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="leaves no token to choose"):
        Sampling(**changes)  # type: ignore[arg-type]


def test_models_and_prompts_that_cannot_be_continued_are_refused() -> None:
    with pytest.raises(InputError, match="sees both sides"):
        generate(small_model(bidirectional=True), bases(1, 5), 3)
    with pytest.raises(InputError, match="shape \\(1, 0\\)"):
        generate(small_model(), bases(1, 0), 3)
