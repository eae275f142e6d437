"""Losses against sums written plainly; and parts of a batch add up to the whole."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.losses import Totals, Trained
from pipeline_lib.pretraining.objective import Objective, make_objective
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead
from pipeline_lib.tokenizer.vocabulary import Vocabulary
from tests.pretraining.test_next_token import DNAGPT, batch_of

SMALL = {
    "layers": 2, "width": 16, "heads": 2, "feedforward_width": 32, "context_length": 32,
    "dropout": 0.0, "init_std": 0.2,
}  # fmt: skip
GPT = {
    **SMALL, "family": "gpt2", "attention": "causal", "norm": "pre", "final_norm": True,
    "numbers": True, "output": "mlp",
}  # fmt: skip
SHAPES: dict[str, AnyArchitecture] = {
    "bert": Architecture(**SMALL),
    "modernbert": Architecture(
        **SMALL, family="modernbert", norm="pre", positions="rotary", attention="local",
        local_window=8, feedforward="gated",
    ),
    "bigbird": Architecture(
        **SMALL, family="bigbird", attention="sparse", block_size=4, random_blocks=1
    ),
    "logo": Architecture(
        **SMALL, family="albert", share_layers=True, embedding_width=8, embedding_kernels=(2, 3),
        feedforward="conv",
    ),
    "memory": Architecture(
        **{**SMALL, "context_length": 14}, memory={"tokens": 2, "segments": 4, "depth": 1}
    ),
    "dnagpt": Architecture(**GPT),
    "hyena": HyenaArchitecture(
        layers=2, width=16, feedforward_width=32, context_length=32, embedding_dropout=0.0
    ),
    "both ways": HyenaArchitecture(
        layers=2, width=16, feedforward_width=32, context_length=32, embedding_dropout=0.0,
        bidirectional=True,
    ),
    "both strands": HyenaArchitecture(
        layers=2, width=16, feedforward_width=32, context_length=32, embedding_dropout=0.0,
        bidirectional=True, equivariant=True,
    ),
}  # fmt: skip
TEXTS = ["ACGTTTACGGGATTCA" * 4, "GGGATNNTTT", "ACCATG" * 5, "TT"]


def model_of(name: str) -> LanguageModel:
    torch.manual_seed(3)
    return build_model(SHAPES[name], len(DNAGPT), complements_of(DNAGPT.words)).double()


def objective_of(model: LanguageModel, **changes: object) -> Objective:
    settings = PretrainingSettings(**{"mask_share": 0.3, **changes})
    return make_objective(settings, DNAGPT, model, context_length=32, seed=1)


def sum_of(
    model: LanguageModel, examples: Examples, totals: Totals | None = None, **keys: Any
) -> float:
    trained, totals = Trained(model, **keys), totals or Totals.of(examples)
    if trained.in_runs:
        return sum(float(part.detach()) for part in trained.runs(examples, totals))
    return float(trained(examples, totals)[0].detach())


@pytest.mark.parametrize("name", SHAPES)
def test_the_loss_is_the_mean_over_targets_each_sample_by_itself(name: str) -> None:
    """Neither padding nor neighbours in the batch change what is said of a sample."""
    model, batch = model_of(name), batch_of(TEXTS, masked=True)
    examples = objective_of(model, repeat_weight=0.3).examples(batch)
    assert examples.weights is not None and len(set(examples.weights.tolist())) > 1
    total, weights = 0.0, 0.0
    for row in range(len(TEXTS)):
        one = examples.rows(np.array([row]))
        if not len(one.answers):
            continue
        used = int(one.shown.sum())
        inputs, targets = (torch.from_numpy(a[:, :used].copy()) for a in (one.inputs, one.targets))
        logits = model(inputs, None, targets)
        each = functional.cross_entropy(logits, torch.from_numpy(one.answers), reduction="none")
        assert one.weights is not None
        total += float((each.detach() * torch.from_numpy(one.weights)).sum())
        weights += one.weights.sum()
    assert sum_of(model, examples) == pytest.approx(total / weights, rel=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_parts_of_a_batch_add_up(name: str) -> None:
    model, batch = model_of(name), batch_of(TEXTS)
    objective = objective_of(model)
    examples = objective.examples(batch)
    whole = sum_of(model, examples)
    parts = [examples.rows(np.array(rows)) for rows in ([0], [1, 2], [3])]
    totals = Totals.of(examples)
    assert sum(sum_of(model, p, totals) for p in parts) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "keys"),
    [
        ("dnagpt", {"number_tasks": {"number_share": 0.6}}, {"number_weight": 0.5}),
        ("bert", {"sentence_order": True}, {"order": SentenceOrderHead(16, 0.2).double()}),
    ],
)
def test_so_do_numbers_and_orders(
    name: str, changes: dict[str, object], keys: dict[str, Any]
) -> None:
    model, batch = model_of(name), batch_of(["ACGTTTACGGGATTCAGA"] * 5 + TEXTS)
    examples = objective_of(model, **changes).examples(batch)
    totals = Totals.of(examples)
    assert totals.numbers + totals.orders > 2
    whole = sum_of(model, examples, **keys)
    parts = [examples.rows(np.array(rows)) for rows in ([0], [1, 2, 3, 4], [5, 6, 7, 8])]
    assert sum(sum_of(model, p, totals, **keys) for p in parts) == pytest.approx(whole, rel=1e-6)


def test_numbers_count_with_their_weight() -> None:
    """0.01 x MSE + CE (Zhang et al. 2023, equation 1)."""
    model, batch = model_of("dnagpt"), batch_of(TEXTS)
    assert isinstance(model, CausalLanguageModel)
    objective = objective_of(model, number_tasks={"order_share": 0.3, "number_share": 0.7})
    examples = objective.examples(batch)
    assert examples.numbers is not None and len(examples.numbers)
    tokens = sum_of(model, examples)
    said = []
    for row in np.flatnonzero(examples.number_places.any(axis=1)):
        used = int(examples.shown[row].sum())
        said.append(float(model.regress(torch.from_numpy(examples.inputs[row : row + 1, :used]))))
    error = float(np.mean((np.array(said) - examples.numbers) ** 2))
    found = sum_of(model, examples, number_weight=0.01)
    assert found == pytest.approx(tokens + 0.01 * error, rel=1e-6)
    assert error > 0


def test_the_order_of_halves_is_learnt_from_cls() -> None:
    model, batch = model_of("bert"), batch_of(["ACGTTTACGGGATTCAGA"] * 6)
    objective = objective_of(model, sentence_order=True)
    examples = objective.examples(batch)
    assert examples.swapped is not None and set(examples.swapped) == {0, 1}
    head = SentenceOrderHead(16, 0.2).double()
    tokens, both = sum_of(model, examples), sum_of(model, examples, order=head)
    hidden = model.encoder(torch.from_numpy(examples.inputs), None)[:, 0]
    expected = functional.cross_entropy(head(hidden), torch.from_numpy(examples.swapped))
    assert both - tokens == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("bert", {"objective": "next"}, "predicts masked tokens"),
        ("dnagpt", {"objective": "masked"}, "predicts the next token"),
        ("hyena", {"sentence_order": True}, "sentence_order"),
        ("memory", {"sentence_order": True}, "sentence_order"),
        ("bert", {"number_tasks": {}}, "without a head for numbers"),
        ("knowledge", {}, "no tracks yet"),
        ("hyena", {"number_tasks": {}}, "without a head for numbers"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    name: str, changes: dict[str, object], words: str
) -> None:
    shape = SHAPES["logo"].model_copy(update={"tracks": 3}) if name == "knowledge" else SHAPES[name]
    with pytest.raises(InputError, match=words):
        objective_of(build_model(shape, len(DNAGPT)), **changes)


def test_a_vocabulary_without_the_words_of_the_tasks_is_refused(vocabulary: Vocabulary) -> None:
    model = build_model(SHAPES["dnagpt"], len(vocabulary))
    with pytest.raises(InputError, match="the vocabulary lacks the words <B> <M>"):
        make_objective(
            PretrainingSettings(number_tasks={}), vocabulary, model, context_length=32, seed=1
        )


def test_a_sample_of_nothing_but_n_is_asked_for_nothing() -> None:
    model, batch = model_of("dnagpt"), batch_of(["NNNNNN", "ACGACG"])
    examples = objective_of(model).examples(batch)
    assert examples.targets.any(axis=1).tolist() == [False, True]
    empty: Batch = batch_of(["NNNNNN"])
    alone = objective_of(model).examples(empty)
    assert sum_of(model, alone, Totals(1.0)) == 0.0
