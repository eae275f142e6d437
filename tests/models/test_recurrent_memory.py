"""Recurrent memory: what a segment is, how gradients flow, how much is held."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.memory import Memory
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel
from pipeline_lib.models.segments import cut, segments_at
from tests.models.conftest import MASKED, VOCABULARY, shaken, small

CLS, SEP, PAD = 1, 2, 3


def recurrent(base: Architecture, **memory: object) -> RecurrentMemoryModel:
    model = shaken(with_memory(base, **memory))
    assert isinstance(model, RecurrentMemoryModel)
    return model


def with_memory(base: Architecture, **memory: object) -> Architecture:
    return base.model_copy(update={"memory": Memory(**memory)})


def bare(model: RecurrentMemoryModel) -> MaskedLanguageModel:
    """Return the model without memory, with the same weights."""
    shape = model.encoder.architecture.model_copy(update={"memory": None})
    plain = MaskedLanguageModel(shape, VOCABULARY).to(model.bias.dtype).eval()
    left_over = plain.load_state_dict(model.state_dict(), strict=False)
    assert not left_over.missing_keys
    assert set(left_over.unexpected_keys) <= {
        "encoder.memory", "encoder.carry.weight", "encoder.carry.bias"
    }  # fmt: skip
    return plain


def batch(*lengths: int, seed: int = 3) -> tuple[Tensor, Tensor | None]:
    """Return random rows `[CLS] ... [SEP] [PAD]...`, and the mask if it is needed."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(5, VOCABULARY, (len(lengths), max(lengths)), generator=generator)
    ends = torch.tensor(lengths)
    places = torch.arange(max(lengths))
    mask = places < ends[:, None]
    tokens[:, 0] = CLS
    tokens[places == ends[:, None] - 1] = SEP
    tokens[~mask] = PAD
    return tokens, None if bool(mask.all()) else mask


def some_targets(tokens: Tensor, share: float = 0.4) -> Tensor:
    chance = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(7))
    return (tokens >= 5) & (chance < share)


# What a segment is


@pytest.mark.parametrize("name", MASKED)
def test_one_segment_without_memory_is_the_bare_model(name: str) -> None:
    model = recurrent(MASKED[name], tokens=0, segments=1)
    tokens, mask = batch(24, 17, 9)
    targets = some_targets(tokens)
    plain = bare(model)
    assert torch.equal(model(tokens, mask, targets), plain(tokens, mask, targets))
    shown = torch.ones_like(targets) if mask is None else mask
    assert torch.equal(model.encoder(tokens, mask)[shown], plain.encoder(tokens, mask)[shown])


def table_with_memory(plain: MaskedLanguageModel, memory: Tensor) -> dict[str, Tensor]:
    return {"tokens.weight": torch.cat([plain.encoder.tokens.weight, memory])}


@pytest.mark.parametrize("name", ["bert", "rotary", "modernbert", "albert"])
def test_one_segment_is_the_bare_model_with_memory_as_more_tokens(name: str) -> None:
    model = recurrent(MASKED[name], tokens=3, segments=1)
    plain = bare(model)
    tokens, _ = batch(20)
    ids = torch.arange(VOCABULARY, VOCABULARY + 3)[None]
    longer = torch.cat([tokens[:, :1], ids, torch.tensor([[SEP]]), tokens[:, 1:]], dim=1)
    expected = torch.func.functional_call(
        plain.encoder, table_with_memory(plain, model.encoder.memory), (longer,)
    )
    found, memory = model.encode(tokens)
    assert torch.allclose(found[:, 0], expected[:, 0], atol=1e-6)
    assert torch.allclose(found[:, 1:], expected[:, 5:], atol=1e-6)
    written = expected[:, 1:4]
    if model.encoder.carry is not None:
        written = model.encoder.carry(written)
    assert torch.allclose(memory, written, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
    st.integers(1, 20),
    st.integers(0, 4),
    st.integers(0, 5),
)
def test_every_token_is_in_one_segment_and_all_end_together(
    contents: list[int], room: int, memory: int, padding: int
) -> None:
    lengths = [content + 2 for content in contents]
    columns = max(lengths) + padding
    flat = torch.arange(len(lengths) * columns)
    segments = cut(lengths, columns, room, Memory(tokens=memory))
    seen = torch.cat([segment.places for segment in segments]).tolist()
    assert sorted(seen) == [
        row * columns + place for row, length in enumerate(lengths) for place in range(length)
    ]
    assert [segment.left for segment in segments] == list(range(len(segments)))[::-1]
    assert segments[-1].rows.tolist() == list(range(len(lengths)))
    for row, content in enumerate(contents):
        own = [segment for segment in segments if row in segment.rows]
        assert len(own) == max(1, -(-content // room))
        assert [bool(s.first[s.rows == row]) for s in own] == [True] + [False] * (len(own) - 1)
        sizes = []
        for segment in own:
            line = segment.source[segment.rows == row][0]
            shown = slice(None) if segment.mask is None else segment.mask[segment.rows == row][0]
            text = flat[line[shown]].tolist()
            first, last = row * columns, row * columns + lengths[row] - 1
            head = [first] + ([first] * memory + [last] if memory else [])
            assert text[: len(head)] == head
            assert text[-1] == last
            sizes.append(len(text) - len(head) - 1)
        assert max(sizes) <= room
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) > 0 or content == 0


@pytest.mark.parametrize("name", MASKED)
def test_an_input_does_not_depend_on_the_others_of_its_batch(name: str) -> None:
    model = recurrent(MASKED[name].model_copy(update={"context_length": 24}), tokens=2, segments=5)
    lengths = (75, 30, 2, 21, 3, 60)
    tokens, mask = batch(*lengths)
    together, memories = model.encode(tokens, mask)
    for row, length in enumerate(lengths):
        alone, memory = model.encode(tokens[row : row + 1, :length])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-5)
        assert torch.allclose(memories[row], memory[0], atol=1e-5)
        assert not together[row, length:].any()


def test_without_memory_segments_are_independent() -> None:
    tokens, _ = batch(70)
    changed = tokens.clone()
    changed[0, 1] = 5 + (changed[0, 1] - 4) % (VOCABULARY - 5)
    for memory, carries in ((4, True), (0, False)):
        model = recurrent(small(norm="pre"), tokens=memory, segments=6).double()
        last, other = (model.encoder(rows)[0, -10:] for rows in (tokens, changed))
        assert torch.equal(last, other) != carries


@pytest.mark.parametrize(("depth", "learns"), [(0, True), (1, False)])
def test_what_is_at_the_beginning_is_remembered_if_gradients_reach_it(
    depth: int, learns: bool
) -> None:
    torch.manual_seed(0)
    base = small(layers=1, heads=2, init_std=0.1, context_length=8, norm="pre", final_norm=True)
    model = build_model(with_memory(base, tokens=2, segments=2, depth=depth), VOCABULARY)
    optimizer, found = torch.optim.Adam(model.parameters(), lr=5e-3), []
    for _ in range(200):
        tokens = torch.randint(5, 9, (32, 8))  # two segments of 3
        tokens[:, 0], tokens[:, -1], tokens[:, -2] = CLS, SEP, 4
        for part in model.losses(tokens, None, tokens == 4, tokens[:, 1]):
            (part / 32).backward()
            found.append(float(part.detach()) / 32)
        optimizer.step()
        optimizer.zero_grad()
    chance = math.log(4)
    assert sum(found[-20:]) / 20 < 0.05 if learns else sum(found[-20:]) / 20 > 0.9 * chance


# How gradients flow


def unrolled(model: RecurrentMemoryModel, tokens: Tensor, depth: int) -> Tensor:
    """Return the vectors of the tokens between [CLS] and [SEP] of one input, written plainly."""
    plain = MaskedLanguageModel(
        model.encoder.architecture.model_copy(update={"memory": None}), VOCABULARY
    ).double().eval()  # fmt: skip
    weights = {name: value for name, value in model.encoder.named_parameters() if name != "memory"}
    content = tokens.shape[1] - 2
    pieces = tokens[0, 1:-1].split(
        [content // 3, 2 * content // 3 - content // 3, -(-content // 3)]
    )
    memory, found = model.encoder.memory, []
    for number, piece in enumerate(pieces):
        if depth and number and (len(pieces) - number) % depth == 0:
            memory = memory.detach()
        added = torch.arange(VOCABULARY, VOCABULARY + len(memory))
        ids = torch.cat(
            [torch.tensor([CLS]), added, torch.tensor([SEP]), piece, torch.tensor([SEP])]
        )
        table = {"tokens.weight": torch.cat([weights["tokens.weight"], memory])}
        hidden = torch.func.functional_call(plain.encoder, weights | table, (ids[None],))[0]
        memory = hidden[1 : 1 + len(memory)]
        found.append(hidden[2 + len(memory) : -1])
    return torch.cat(found)


def slopes(model: RecurrentMemoryModel) -> dict[str, Tensor]:
    found = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }
    model.zero_grad()
    return found


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_gradients_equal_those_of_an_unrolled_model(depth: int, checkpointing: bool) -> None:
    model = recurrent(
        MASKED["rotary"], tokens=3, segments=4, depth=depth, checkpointing=checkpointing
    ).double()
    lengths = (54, 47, 52)
    tokens, mask = batch(*lengths)
    targets = some_targets(tokens)
    answers = torch.randint(5, VOCABULARY, (int(targets.sum()),))
    weights = torch.rand(len(answers), dtype=torch.float64)

    done, expected = 0, torch.zeros((), dtype=torch.float64)
    for row, length in enumerate(lengths):
        inner = targets[row, 1 : length - 1]
        hidden = unrolled(model, tokens[row : row + 1, :length], depth)[inner]
        own = slice(done, done + len(hidden))
        done += len(hidden)
        each = functional.cross_entropy(model.scores(hidden), answers[own], reduction="none")
        expected = expected + (each * weights[own]).sum()
    expected.backward()
    reference = slopes(model)

    total, runs = 0.0, 0
    for part in model.losses(tokens, mask, targets, answers, weights):
        part.backward()
        total, runs = total + float(part.detach()), runs + 1
    streamed = slopes(model)
    logits = model(tokens, mask, targets)
    each = functional.cross_entropy(logits, answers, reduction="none")
    (each * weights).sum().backward()
    at_once = slopes(model)

    assert runs == {0: 1, 1: 3, 2: 2}[depth]
    assert total == pytest.approx(
        float(expected.detach()), rel=1e-6
    )  # losses are computed in float32
    assert reference["encoder.memory"].abs().max() > 1e-4
    for name, slope in reference.items():
        assert torch.allclose(at_once[name], slope, rtol=1e-9, atol=1e-9), name
        assert torch.allclose(streamed[name], slope, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize(("depth", "reached"), [(0, 6), (1, 1), (2, 2), (5, 5)])
def test_a_classifier_learns_through_as_many_segments_as_asked(depth: int, reached: int) -> None:
    model = recurrent(small(), tokens=3, segments=6, depth=depth)
    classifier = SequenceClassifier(model.encoder, 2, "cls").eval()
    tokens, mask = batch(98, 90)
    embedded = []
    keep = model.encoder.tokens.register_forward_hook(lambda *call: embedded.append(call[-1]))
    scores = classifier(tokens, mask, torch.zeros(2, dtype=torch.int64))
    keep.remove()
    found = torch.autograd.grad(scores.square().sum(), embedded, allow_unused=True)
    flows = [slope is not None and bool(slope.any()) for slope in found]
    assert flows == [False] * (6 - reached) + [True] * reached


class Held:
    """Bytes of the tensors that autograd holds for the backward pass, and their peak."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def measured(self) -> torch.autograd.graph.saved_tensors_hooks:
        counter = self

        class Saved:
            def __init__(self, tensor: Tensor) -> None:
                self.tensor, self.bytes = tensor, tensor.numel() * tensor.element_size()
                counter.now += self.bytes
                counter.peak = max(counter.peak, counter.now)

            def __del__(self) -> None:
                counter.now -= self.bytes

        return torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor)


def peak(segments: int, depth: int) -> int:
    model = recurrent(small(), tokens=3, segments=segments, depth=depth)
    tokens, mask = batch(model.encoder.architecture.input_length)
    targets, held = some_targets(tokens, 2.0), Held()
    with held.measured():
        for part in model.losses(tokens, mask, targets, tokens[targets]):
            part.backward()
    return held.peak


def test_memory_is_flat_in_the_number_of_segments() -> None:
    few, many = peak(4, depth=1), peak(64, depth=1)
    assert many <= 1.02 * few
    assert 1.7 * few < peak(64, depth=2) < 2.1 * few
    assert peak(64, depth=0) > 40 * few  # the measure does see what is held


# Learning, and what a model is


def steps(model: RecurrentMemoryModel, count: int, bf16: bool = False) -> Iterator[float]:
    tokens, mask = batch(40, 17)
    targets = some_targets(tokens)
    hidden = tokens.masked_fill(targets, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(count):
        optimizer.zero_grad()
        total = 0.0
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            for part in model.losses(hidden, mask, targets, tokens[targets]):
                (part / int(targets.sum())).backward()
                total += float(part.detach()) / int(targets.sum())
        optimizer.step()
        yield total


@pytest.mark.parametrize(("name", "depth"), [("bert", 1), ("modernbert", 0), ("logo", 0)])
def test_one_batch_can_be_learnt_by_heart(name: str, depth: int) -> None:
    base = MASKED[name].model_copy(update={"init_std": 0.1, "context_length": 24})
    torch.manual_seed(0)
    model = build_model(with_memory(base, tokens=3, depth=depth), VOCABULARY)
    assert isinstance(model, RecurrentMemoryModel)
    *_, last = steps(model, 150)
    assert last < 0.05


def test_bf16_gives_nearly_the_same() -> None:
    losses = []
    for bf16 in (False, True):
        model = recurrent(small(init_std=0.1), tokens=3, depth=1)
        losses.append(list(steps(model, 5, bf16)))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_a_model_can_be_stored_and_loaded() -> None:
    shape = with_memory(MASKED["albert"], tokens=3)
    model = shaken(shape)
    other = build_model(shape, VOCABULARY).eval()
    other.load_state_dict(model.state_dict())
    tokens, mask = batch(60, 33)
    targets = some_targets(tokens)
    assert torch.equal(other(tokens, mask, targets), model(tokens, mask, targets))
    assert Architecture(**shape.model_dump(mode="json")) == shape


def test_token_frequencies_are_where_a_model_begins() -> None:
    model = recurrent(small(), tokens=3)
    model.start_from_frequencies(torch.arange(VOCABULARY))
    assert float(model.bias.exp().sum()) == pytest.approx(1.0, rel=1e-5)
    assert (model.causal, model.packs, model.encoder.vocab_size) == (False, False, VOCABULARY)


def test_the_length_of_an_input() -> None:
    shape = small(memory={"tokens": 3, "segments": 4})
    assert shape.input_length == 4 * (24 - 3 - 3) + 2
    assert small(memory={"tokens": 0, "segments": 1}).input_length == small().input_length == 24
    model = build_model(shape, VOCABULARY)
    assert len(model.encoder.segments(batch(74)[0])) == 4
    with pytest.raises(
        InputError, match=r"75 tokens .* 4 segments.*at most 74 .*`memory.segments`"
    ):
        model.encoder(batch(75)[0])


def test_what_is_no_batch_is_refused() -> None:
    model = recurrent(small(), tokens=3)
    tokens, _ = batch(20)
    with pytest.raises(InputError, match="neither sequences end to end, nor tracks"):
        model(tokens[0], None, some_targets(tokens)[0], lengths=[20])
    with pytest.raises(InputError, match=r"an input of 1 tokens.*\[CLS\] and \[SEP\]"):
        model.encoder(tokens, torch.arange(20)[None] < 1)
    with pytest.raises(InputError, match="without memory for a model with it"):
        RecurrentMemoryModel(small(), VOCABULARY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": {"tokens": 21}}, "`memory.tokens` 21 leaves no room .* `context_length` 24"),
        ({"memory": {}, "attention": "causal", "family": "gpt2"}, "excludes `attention: causal`"),
        ({"memory": {}, "tracks": 2}, "`memory` excludes `tracks`"),
        ({"memory": {"token": 2}}, "Extra inputs"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**changes)


def test_more_and_more_segments() -> None:
    found = [segments_at(step, 90, 8) for step in (0, 29, 30, 59, 60, 89, 90, 10**6)]
    assert found == [1, 1, 2, 2, 4, 4, 8, 8]
    assert [segments_at(step, 10, 6, start=3) for step in (0, 9, 10)] == [3, 3, 6]
    assert [segments_at(step, 10, 2, start=5) for step in (0, 10)] == [2, 2]


@given(st.integers(0, 500), st.integers(0, 300), st.integers(1, 100), st.integers(1, 8))
def test_segments_never_become_fewer(step: int, steps: int, most: int, start: int) -> None:
    now, later = (segments_at(at, steps, most, start) for at in (step, step + 1))
    assert min(start, most) <= now <= later <= most
    assert later <= 2 * now or step + 1 >= steps
