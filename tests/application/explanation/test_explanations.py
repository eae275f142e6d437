"""Attribution: what is known by construction is found, by every method."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.application.explanation.average import average
from pipeline_lib.application.explanation.dependencies import Dependencies
from pipeline_lib.application.explanation.gradients import BASELINES, IntegratedGradients
from pipeline_lib.application.explanation.model import load_output
from pipeline_lib.application.explanation.mutagenesis import (
    importance,
    mutate,
    mutate_read,
    substitutions,
)
from pipeline_lib.application.explanation.run import load_reader
from pipeline_lib.application.explanation.settings import Settings
from pipeline_lib.finetuning.examples import write_examples
from pipeline_lib.finetuning.tune import finetune
from tests.application.conftest import random_dna
from tests.finetuning import toys

DNA = st.text(alphabet="ACGT", min_size=12, max_size=30)


def one(sequence: str, focus: int = -1) -> pd.DataFrame:
    return pd.DataFrame({"name": ["a"], "sequence": [sequence], "focus": [focus]})


def planted() -> list[str]:
    """Return held-out sequences of the task of `tuned` with `GGG` before the `ATG`."""
    table = toys.make_examples(count=60, seed=3).table
    return [text for text in table["sequence"] if text[27:30] == "GGG"][:8]


def test_mutagenesis_equals_scoring_one_by_one(tuned: Path) -> None:
    model = load_output(tuned)
    assert model.measure == "log-odds of tis"
    sequence = planted()[0]
    value, effects = mutate(model, one(sequence, 30))
    scores = model.scorer.score(one(sequence, 30))[0].astype(np.float64)
    assert value == pytest.approx(np.log(scores[1] / scores[0]), rel=1e-3)
    changed = list(substitutions(sequence))
    for number in (0, 28 * 3, 95, 188):
        alone = model.values(one(changed[number], 30))[0]
        base = "ACGT".index(changed[number][number // 3])
        assert effects[number // 3, base] == pytest.approx(alone - value, abs=1e-4)
    own = ["ACGT".index(base) for base in sequence]
    assert (effects[np.arange(63), own] == 0).all()


def test_planted_motif_is_found_by_mutagenesis_and_gradients(tuned: Path) -> None:
    model = load_output(tuned)
    gradients = IntegratedGradients(model, baseline="uniform", steps=16, tolerance=0.01, seed=1)
    for sequence in planted():
        _, effects = mutate(model, one(sequence, 30))
        by_change = importance(effects, sequence)
        by_gradient = gradients.attribute(one(sequence, 30)).bases
        for found in (by_change, by_gradient):
            elsewhere = np.delete(np.abs(found), range(26, 34))
            assert found[27:30].sum() > 3 * elsewhere.max()
        assert set(np.argsort(by_change)[-2:]) <= {27, 28, 29}


@pytest.fixture(scope="module", params=["bases", "overlapping", "bpe", "hyena", "both_strands"])
def head(
    request: pytest.FixtureRequest,
    models: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a barely tuned model; that of Hyena crops the examples, which are too long for it."""
    folder = tmp_path_factory.mktemp(request.param)
    both = request.param == "both_strands"
    task = toys.make_task(both_strands=both, pooling="mean", epochs=1, too_long="crop")
    write_examples(folder / "examples.parquet", toys.make_examples(count=80))
    finetune(
        models["bases" if both else request.param], folder / "examples.parquet", folder / "run",
        task, init="pretrained", seed=1, threads=1,
    )  # fmt: skip
    return folder / "run" / "model"


def test_gradients_are_complete(head: Path) -> None:
    """Of models of every family, and from every baseline: the sum is the difference."""
    model, sequence = load_output(head), random_dna(63, 5)
    row = one(sequence, 31)
    for baseline in BASELINES:
        gradients = IntegratedGradients(model, baseline=baseline, steps=16, tolerance=0.01, seed=1)
        attribution = gradients.attribute(row)
        assert attribution.complete(0.01)
        assert attribution.value == pytest.approx(model.values(row)[0], abs=1e-4)
        assert attribution.bases.shape == (63,)
        assert (attribution.bases[1:-1] != 0).all()


def test_gradient_of_a_linear_model_is_its_closed_form(tuned: Path) -> None:
    """A head that reads the mean of embeddings themselves: weights times embeddings."""
    model = load_output(tuned)
    found = IntegratedGradients(model, baseline="mask", steps=4, tolerance=1e-6, seed=1)
    classifier = found.classifier

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = found.embedding
            self.architecture, self.width = classifier.encoder.architecture, 16

        def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
            return self.tokens(tokens)  # type: ignore[no-any-return]

    classifier.encoder, classifier.pooling = Linear(), "mean"
    classifier.head = torch.nn.Linear(16, 2).double()
    sequence = random_dna(40, 1)
    attribution = found.attribute(one(sequence))
    direction = (classifier.head.weight[1] - classifier.head.weight[0]).detach().double()
    vocabulary = found._vocabulary
    weight = found.embedding.weight.detach().double()
    expected = [
        float((weight[vocabulary.id(base)] - weight[vocabulary.mask]) @ direction) / 42
        for base in sequence
    ]
    np.testing.assert_allclose(attribution.bases, expected, atol=1e-6)
    _, effects = mutate(model, one(sequence))
    change = float((weight[vocabulary.id("T")] - weight[vocabulary.id(sequence[7])]) @ direction)
    assert effects[7, 3] == pytest.approx(change / 42, abs=1e-6)


@pytest.mark.parametrize("kind", ["causal", "hyena"])
@settings(max_examples=5)
@given(sequence=DNA)
def test_a_causal_map_is_zero_before_the_change(
    models: dict[str, Path], kind: str, sequence: str
) -> None:
    found = dependencies(models[kind], 0).map(one(sequence))
    assert np.isnan(np.diag(found)).all()
    before = np.tril_indices(len(sequence), -1)
    assert np.abs(found[before]).max() < 1e-4
    assert found[np.triu_indices(len(sequence), 1)].max() > 1e-3


def test_a_map_equals_changes_one_by_one(models: dict[str, Path]) -> None:
    """Of a masked model with nothing hidden, and of one of words, by brute force."""
    sequence = random_dna(20, 2)
    reader = load_reader(models["bases"], Settings("dependencies"))
    vocabulary, network = reader.encoder.vocabulary, reader.network
    bases = [vocabulary.id(base) for base in "ACGT"]

    def odds(text: str) -> np.ndarray:
        tokens = torch.tensor([[vocabulary.cls, *map(vocabulary.id, text), vocabulary.sep]])
        with torch.no_grad():
            logits = network(tokens, None, torch.ones_like(tokens, dtype=torch.bool))
        shares = torch.softmax(logits[1:-1, bases].double(), dim=1).numpy()
        return np.asarray(np.log2(shares) - np.log2(1 - shares))

    found = dependencies(models["bases"], 0).map(one(sequence))
    for place in (0, 7, 19):
        others = [sequence[:place] + base + sequence[place + 1 :] for base in "ACGT"]
        shift = np.max([np.abs(odds(text) - odds(sequence)) for text in others], axis=0)
        expected = shift.max(axis=1)
        expected[place] = np.nan
        np.testing.assert_allclose(found[place], expected, atol=1e-4)


def test_maps_of_words_and_of_hidden_bases(models: dict[str, Path]) -> None:
    sequence = random_dna(20, 2)
    words = dependencies(models["words"], 3).map(one(sequence))
    same = np.arange(20)[:, None] // 3 == np.arange(20) // 3
    assert (np.isnan(words) == same).all()
    hidden = dependencies(models["bases"], 4).map(one(sequence))
    assert np.isnan(hidden).sum() == 20
    assert np.nanmin(hidden) >= 0
    assert np.nanmax(hidden) > 0.01
    np.testing.assert_array_equal(hidden, dependencies(models["bases"], 4).map(one(sequence)))


def test_changes_of_a_language_model_are_differences_of_likelihoods(
    models: dict[str, Path],
) -> None:
    reader = load_reader(models["causal"], Settings("mutagenesis"))
    sequence = random_dna(24, 8)
    value, effects = mutate_read(reader, one(sequence))
    changed = list(substitutions(sequence))
    for number in (0, 33, 71):
        bits = reader.bits([changed[number].encode()])[0].sum()
        base = "ACGT".index(changed[number][number // 3])
        assert effects[number // 3, base] == pytest.approx(-bits - value, abs=1e-3)


def test_average_is_aligned_at_the_focus() -> None:
    found = average(
        ["AACG", "CGT"], [np.array([1.0, 2, 3, 4]), np.array([10.0, 20, 30])],
        np.array([2, 0]), seed=1,
    )  # fmt: skip
    assert list(found["place"]) == [-2, -1, 0, 1, 2]
    assert list(found["sequences"]) == [1, 1, 2, 2, 1]
    assert list(found["importance"]) == [1, 2, 6.5, 12, 30]
    assert found.loc[2, "C"] == 6.5
    assert list(found.loc[3, ["G", "T"]]) == [12, 0]
    assert found.loc[2, "low"] == 3
    assert found.loc[2, "high"] == 10


def dependencies(folder: Path, rounds: int) -> Dependencies:
    return Dependencies(load_reader(folder, Settings("dependencies")), rounds, 1)
