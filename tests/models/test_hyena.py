"""HyenaDNA: equal to the published model; causal; one filter for all lengths; both strands."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena_filter import delay_features, filter_parameters
from pipeline_lib.models.hyena_language import HyenaLanguageModel, complements_of
from pipeline_lib.models.hyena_weights import from_published, to_published
from tests.models.hyena_shapes import COMPLEMENTS, VOCABULARY, bases, small, small_model

GOLDEN_TOLERANCE = 1e-9


@pytest.fixture(scope="module", params=[0, 1], ids=["shift-0.05", "shift-0"])
def golden(request: pytest.FixtureRequest, shared: Path) -> dict[str, Any]:
    """Return outputs of the published code, and the settings that they belong to."""
    path = shared / "golden" / "hyena_golden.json"
    if not path.exists():
        pytest.skip(f"reference outputs not found: {path}")
    case: dict[str, Any] = json.loads(path.read_text())["cases"][request.param]
    assert case["shift"] == (0.05, 0.0)[request.param]
    return case


@pytest.fixture(scope="module")
def published(golden: dict[str, Any]) -> HyenaLanguageModel:
    """Return the model of the golden outputs, filled by the formula that they were made with."""
    architecture = HyenaArchitecture(
        layers=2, width=8, feedforward_width=32, filter_width=8, embedding_dropout=0.0,
        filter_length=golden["l_max"], filter_shift=golden["shift"],
    )  # fmt: skip
    model = HyenaLanguageModel(architecture, VOCABULARY).double().eval()
    shapes = {name: tensor.shape for name, tensor in to_published(model).items()}
    state = {}
    for number, name in enumerate(golden["weight_names_sorted"]):
        places = torch.arange(shapes[name].numel(), dtype=torch.float64)
        values = 0.3 * torch.sin(1 + 0.7 * places + 1.3 * number)
        is_norm = name.endswith("weight") and ("norm" in name or "ln_f" in name)
        offset = 10.0 if name.endswith("freq") else 1.0 if is_norm else 0.0
        state[name] = (values + offset).view(shapes[name])
    model.load_state_dict(from_published(state, architecture)[0])
    return model


def close(found: torch.Tensor, expected: Any) -> bool:
    expected = torch.tensor(expected, dtype=torch.float64)
    return bool((found - expected).abs().max() < GOLDEN_TOLERANCE)


def test_equal_to_the_published_model(
    golden: dict[str, Any], published: HyenaLanguageModel
) -> None:
    tokens = torch.tensor(golden["ids"])
    assert close(published.encoder(tokens), golden["hidden"])
    assert close(published(tokens), golden["logits"])


def test_filters_equal_those_of_the_published_model(
    golden: dict[str, Any], published: HyenaLanguageModel
) -> None:
    operator = published.encoder.layers[0].operator
    weight = published.encoder.tokens.weight
    features = delay_features(published.encoder.architecture, 24, like=weight)
    taps = operator.filter(features)[0].clone()
    taps[:, 0] -= operator.filter.skip  # there, a separate sum
    assert close(taps.mT, golden["filter_layer0"])


def test_gradients_equal_those_of_the_published_model(
    golden: dict[str, Any], published: HyenaLanguageModel
) -> None:
    tokens = torch.tensor(golden["ids"])
    published.zero_grad()
    logits = published(tokens)[:, :-1].flatten(0, 1)
    loss = functional.cross_entropy(logits, tokens[:, 1:].flatten())
    loss.backward()
    assert abs(loss.item() - golden["next_token_loss"]) < GOLDEN_TOLERANCE
    with torch.no_grad():
        for parameter in published.parameters():
            assert parameter.grad is not None
            parameter.swap = parameter.clone()  # type: ignore[attr-defined]
            parameter.copy_(parameter.grad)
        gradients = to_published(published)
        for parameter in published.parameters():
            parameter.copy_(parameter.swap)  # type: ignore[attr-defined]
    for name, norm in golden["grad_norms"].items():
        assert abs(gradients[name].norm().item() - norm) < GOLDEN_TOLERANCE, name


@pytest.mark.parametrize(
    ("layers", "width", "parameters"),
    [(2, 128, 436_096), (2, 256, 1_641_088), (4, 128, 869_888), (4, 256, 3_277_568),
     (8, 256, 6_550_528)],
)  # fmt: skip
def test_as_many_weights_as_published(layers: int, width: int, parameters: int) -> None:
    architecture = HyenaArchitecture(layers=layers, width=width, feedforward_width=4 * width)
    with torch.device("meta"):
        model = HyenaLanguageModel(architecture, VOCABULARY)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@settings(deadline=None, max_examples=40)
@given(length=st.integers(1, 60), data=st.data(), beyond=st.sampled_from(["stop", "extend"]))
def test_a_token_never_changes_what_comes_before_it(
    length: int, data: st.DataObject, beyond: str
) -> None:
    model = small_model(filter_beyond=beyond).double()
    place = data.draw(st.integers(0, length - 1))
    tokens = bases(1, length)
    changed = tokens.clone()
    changed[0, place] = 17 - tokens[0, place]
    first, second = model(tokens)[0], model(changed)[0]
    assert torch.allclose(first[:place], second[:place], atol=1e-11)
    assert not torch.allclose(first[place], second[place], atol=1e-4)


def test_a_prefix_gives_the_same_outputs_at_any_length() -> None:
    model = small_model().double()
    tokens = bases(2, 90)
    whole = model(tokens)
    for length in (1, 2, 17, 40, 41, 42, 89):
        assert torch.allclose(model(tokens[:, :length]), whole[:, :length], atol=1e-11)


def test_an_input_longer_than_the_filter_runs_and_the_filter_stops() -> None:
    tokens = bases(1, 60)
    changed = tokens.clone()
    changed[0, 0] = 17 - tokens[0, 0]
    stop, extend = (
        small_model(layers=1, filter_length=20, short_filter=1, filter_beyond=beyond).double()
        for beyond in ("stop", "extend")
    )
    assert torch.allclose(stop(tokens)[:, :20], extend(tokens)[:, :20], atol=1e-11)
    assert torch.allclose(stop(tokens)[:, 20:], stop(changed)[:, 20:], atol=1e-11)
    assert not torch.allclose(stop(tokens)[:, 19], stop(changed)[:, 19], atol=1e-6)
    assert not torch.allclose(extend(tokens)[:, 40], extend(changed)[:, 40], atol=1e-6)


def test_a_bidirectional_model_sees_both_sides() -> None:
    model = small_model(bidirectional=True).double()
    tokens = bases(1, 30)
    for place in (0, 15, 29):
        changed = tokens.clone()
        changed[0, place] = 17 - tokens[0, place]
        difference = (model(tokens) - model(changed)).abs().amax(dim=-1)[0]
        assert (difference > 1e-6).all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("changes", [{}, {"bidirectional": True}, {"equivariant": True}], ids=str)
def test_padding_never_changes_what_a_token_sees(changes: dict[str, bool], side: str) -> None:
    if changes.get("equivariant"):
        changes = {**changes, "bidirectional": True}
    model = small_model(**changes)
    tokens, padding = bases(3, 20), torch.full((3, 9), 4)
    mask = torch.arange(29).expand(3, 29) < 20
    padded = torch.cat([tokens, padding], dim=1)
    if side == "left":
        mask, padded = mask.flip(1), padded.roll(9, dims=1)
    everywhere = torch.ones(3, 20, dtype=torch.bool)
    expected = model(tokens, None, everywhere)
    assert torch.allclose(model(padded, mask, mask), expected, atol=1e-5)
    if side == "left":
        assert not torch.allclose(model(padded, None, mask), expected, atol=1e-3)


def test_the_output_layer_is_computed_at_targets_in_order() -> None:
    model = small_model()
    tokens, targets = bases(3, 15), torch.rand(3, 15) < 0.4
    assert torch.allclose(model(tokens, targets=targets), model(tokens)[targets], atol=1e-6)


def test_gaps_are_left_out_of_the_loss_by_the_caller() -> None:
    model = small_model()
    tokens = bases(2, 20)
    tokens[:, 12:] = 11  # N
    known = tokens[:, 1:] != 11
    targets = functional.pad(known, (0, 1))
    logits = model(tokens, targets=targets)
    loss = functional.cross_entropy(logits, tokens[:, 1:][known])
    ours = torch.autograd.grad(loss, model.encoder.tokens.weight)[0]
    shorter = functional.cross_entropy(
        model(tokens[:, :11]).flatten(0, 1), tokens[:, 1:12].flatten()
    )
    alone = torch.autograd.grad(shorter, model.encoder.tokens.weight)[0]
    assert torch.allclose(loss, shorter, atol=1e-5)
    assert torch.allclose(ours, alone, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(length=st.integers(1, 50))
def test_the_reverse_complement_gives_the_reverse_complement(length: int) -> None:
    model = small_model(bidirectional=True, equivariant=True)
    complements = torch.tensor(COMPLEMENTS)
    tokens = torch.randint(0, 12, (2, length))
    turned = complements[tokens].flip(1)
    hidden, logits = model.encoder(tokens), model(tokens)
    assert hidden.shape == (2, length, 24)
    assert torch.allclose(model.encoder(turned), hidden.flip(1, 2), atol=1e-5)
    assert torch.allclose(model(turned), logits.flip(1)[..., complements], atol=1e-5)


def test_the_plain_model_is_not_equivariant() -> None:
    model = small_model(bidirectional=True)
    complements = torch.tensor(COMPLEMENTS)
    tokens = bases(1, 20)
    turned = model(complements[tokens].flip(1)).flip(1)[..., complements]
    assert not torch.allclose(turned, model(tokens), atol=1e-2)


def test_complements_must_pair_tokens_up() -> None:
    architecture = small(bidirectional=True, equivariant=True)
    for wrong in (None, [1, 2, 0], [0, 0, 2]):
        with pytest.raises(InputError, match="do not pair up 3 tokens"):
            HyenaLanguageModel(architecture, 3, wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"equivariant": True}, "`equivariant` needs `bidirectional`"),
        (
            {"equivariant": True, "bidirectional": True, "tied_output": False},
            "`equivariant` needs `tied_output`",
        ),
        ({"filter_features": 4}, "`filter_features` 4 is even"),
        ({"filter_decay_fast": 2.0}, "is larger than `filter_decay_slow` 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    "changes", [{}, {"bidirectional": True, "equivariant": True}], ids=["causal", "both strands"]
)
def test_sequences_end_to_end_give_what_each_gives_alone(changes: dict[str, Any]) -> None:
    model = small_model(**changes).double()
    lengths = [5, 31, 1, 30, 12, 28, 31]
    alone = [bases(1, length) for length in lengths]
    packed = torch.cat(alone, dim=1)[0]
    targets = torch.rand(len(packed)) < 0.5
    expected = torch.cat([model(sequence)[0] for sequence in alone])
    assert torch.allclose(model(packed, lengths=lengths), expected, atol=1e-11)
    found = model(packed, None, targets, lengths=lengths)
    assert torch.allclose(found, expected[targets], atol=1e-11)
    with pytest.raises(InputError, match="lengths of 138 tokens for 137 tokens"):
        model(packed[1:], lengths=lengths)


def test_models_say_what_they_are() -> None:
    assert small_model().causal and not small_model(bidirectional=True).causal
    assert not small_model().packs


def test_an_output_matrix_of_its_own() -> None:
    tied, free = small_model(), small_model(tied_output=False)
    assert free.output is not None and free.output.weight.shape == (VOCABULARY, 12)
    tokens = bases(2, 20)
    free.load_state_dict({**tied.state_dict(), "output.weight": 2 * tied.encoder.tokens.weight})
    assert torch.allclose(free(tokens), 2 * tied(tokens), atol=1e-5)


def test_complements_of_words() -> None:
    words = ["[CLS]", "[MASK]", "A", "C", "G", "T", "N", "R", "Y", "a", "t", "AAC", "GTT", "CA"]
    assert complements_of(words) == [0, 1, 5, 4, 3, 2, 6, 8, 7, 10, 9, 12, 11, 13]
    padded = ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[R]", "[UNK]", *"ACGTN", *"1234"]
    assert complements_of(padded) == COMPLEMENTS


def test_a_compiled_model_gives_the_same() -> None:
    plain, compiled = small_model(layers=1).double(), small_model(layers=1).double()
    compiled.compile(backend="aot_eager")
    tokens = bases(2, 33)
    assert torch.allclose(compiled(tokens), plain(tokens), rtol=1e-9)
    for model in (plain, compiled):
        functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    for name, parameter in plain.named_parameters():
        other = compiled.get_parameter(name).grad
        assert parameter.grad is not None and other is not None
        assert torch.allclose(parameter.grad, other, rtol=1e-9), name


@pytest.mark.parametrize("bidirectional", [False, True])
def test_checkpointing_changes_neither_names_nor_gradients(bidirectional: bool) -> None:
    plain, thrifty = (
        small_model(
            checkpointing=value, bidirectional=bidirectional, dropout=0.2, embedding_dropout=0.1
        ).train()
        for value in (False, True)
    )
    assert list(plain.state_dict()) == list(thrifty.state_dict())
    tokens = bases(2, 25)
    for model in (plain, thrifty):
        torch.manual_seed(7)  # the same dropout
        functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    for name, parameter in plain.named_parameters():
        other = thrifty.get_parameter(name).grad
        assert parameter.grad is not None and other is not None
        assert torch.allclose(parameter.grad, other, atol=1e-6), name


def test_the_state_holds_no_positions_and_fits_any_context() -> None:
    short, long = small_model(context_length=16), small_model(context_length=100_000)
    assert all("position" not in name for name in short.state_dict())
    long.load_state_dict(short.state_dict())
    assert sum(t.numel() for t in long.state_dict().values()) == sum(
        p.numel() for p in long.parameters()
    )


# Largest error of the logits, as a share of their spread.
PRECISIONS = {"float32": 1e-4, "autocast": 0.04, "bfloat16": 0.08}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("changes", [{}, {"bidirectional": True, "equivariant": True}], ids=str)
def test_precisions_agree(changes: dict[str, Any], precision: str) -> None:
    model = small_model(width=32, init_std=0.1, context_length=500, **changes)
    tokens = bases(2, 500)
    exact = small_model(width=32, init_std=0.1, context_length=500, **changes).double()(tokens)
    if precision == "bfloat16":
        model = model.bfloat16()
        exact = exact.detach()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "autocast"):
        found = model(tokens)
    error = (found.double() - exact).pow(2).mean().sqrt() / exact.std()
    assert error < PRECISIONS[precision]


def test_the_first_loss_is_that_of_guessing() -> None:
    torch.manual_seed(0)
    model = HyenaLanguageModel(HyenaArchitecture(), VOCABULARY).eval()
    tokens = bases(2, 256)
    loss = functional.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert abs(loss.item() - math.log(VOCABULARY)) < 0.3


@pytest.mark.parametrize("changes", [{}, {"bidirectional": True, "equivariant": True}], ids=str)
def test_one_batch_can_be_learnt_by_heart(changes: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = HyenaLanguageModel(small(width=32, init_std=0.1, **changes), VOCABULARY, COMPLEMENTS)
    tokens = bases(4, 24)
    tokens[:, 0] = torch.arange(7, 11)  # else two equal prefixes could go on differently
    targets = torch.rand(4, 24) < 0.3
    inputs, answers = (tokens[:, :-1], tokens[:, 1:].flatten())
    if changes:
        inputs, answers = tokens.masked_fill(targets, 3), tokens[targets]
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    for _ in range(150):
        logits = model(inputs, targets=targets if changes else None)
        loss = functional.cross_entropy(logits.view(-1, VOCABULARY), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.02


def test_weights_of_filters_are_told_from_the_others() -> None:
    model = small_model()
    # Per layer: weights and biases of three linear layers, the output, and the frequency.
    assert len(filter_parameters(model)) == 2 * 8
