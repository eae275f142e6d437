"""What scores of variants may and may not depend on, for models of every kind."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_lib.application.scoring.alleles import InMemory, UpperCase, normalised
from pipeline_lib.application.scoring.single import Scorer, open_scorer, score_variants
from pipeline_lib.application.scoring.tuned import TunedScorer
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Examples, write_examples
from pipeline_lib.finetuning.tune import finetune
from pipeline_lib.sequence import reverse_complement
from tests.finetuning import toys

KINDS = ["bases", "words", "overlapping", "bpe", "causal", "hyena", "tuned"]
open_once = cache(open_scorer)


@pytest.fixture(params=KINDS)
def scorer(request: pytest.FixtureRequest, models: dict[str, Path], tuned: Path) -> Scorer:
    return open_once(tuned if request.param == "tuned" else models[request.param])


@pytest.fixture(scope="module")
def text(sequences: dict[str, str]) -> str:
    return sequences["chr2"]


def some_variants(text: str) -> list[tuple[int, str, str]]:
    """Return substitutions, insertions, deletions and others, also at the ends of a sequence."""
    other = {"A": "C", "C": "T", "G": "A", "T": "G"}
    found = [(at, text[at], other[text[at]]) for at in (0, 1, 40, 333, 698, 699)]
    found += [(at, text[at : at + 4], text[at]) for at in (0, 200, 696)]
    found += [(at, text[at], text[at] + "GATTACA") for at in (0, 100, 699)]
    return [*found, (300, text[300:303], "TTG"), (310, text[310:315], "AC")]


def numbers(scores: dict[str, float | str]) -> list[float]:
    assert "skipped" not in scores
    return [float(value) for value in scores.values()]


def test_scores_are_there_and_an_allele_equal_to_the_reference_scores_nothing(
    scorer: Scorer, text: str
) -> None:
    found = score_variants(scorer, text.encode(), some_variants(text))
    assert all(math.isfinite(value) for one in found for value in numbers(one))
    same = score_variants(scorer, text.encode(), [(50, text[50], text[50]), (0, "AC", "AC")])[:1]
    for name, value in same[0].items():
        if not name.endswith(("REF", "ALT")):
            assert value == 0, name
    moved = "L2" if "L2" in found[0] else "tis_DIFF"
    assert all(one[moved] != 0 for one in found)


def test_the_other_strand_scores_alike(scorer: Scorer, text: str) -> None:
    variants = some_variants(text)
    turned = [
        (
            len(text) - at - len(ref),
            *(reverse_complement(allele.encode()).decode() for allele in (ref, alt)),
        )
        for at, ref, alt in variants
    ]
    one = score_variants(scorer, text.encode(), variants)
    two = score_variants(scorer, reverse_complement(text.encode()), turned)
    for own, other in zip(one, two, strict=True):
        assert numbers(own) == pytest.approx(numbers(other), abs=1e-5)


def test_neither_the_batch_nor_padding_moves_a_score(scorer: Scorer, text: str) -> None:
    variants = some_variants(text)
    together = score_variants(scorer, text.encode(), variants[::-1])[::-1]
    for variant, found in zip(variants, together, strict=True):
        (alone,) = score_variants(scorer, text.encode(), [variant])
        assert numbers(alone) == pytest.approx(numbers(found), abs=1e-5)


def test_left_and_right_aligned_forms_score_the_same(scorer: Scorer, text: str) -> None:
    sequence = text[:100] + "GCACACACACT" + text[111:]
    left = [(100, "GCA", "G"), (100, "G", "GCA")]
    right = [(107, "CAC", "C"), (109, "C", "CAC")]
    found = score_variants(scorer, sequence.encode(), left + right)
    assert found[0] == found[2] and found[1] == found[3]


def test_a_masked_model_of_bases_is_asked_at_the_hidden_base(
    models: dict[str, Path], text: str
) -> None:
    scorer = open_once(models["bases"])
    change = normalised(UpperCase(InMemory(text.encode())), "sequence", 333, text[333], "C")
    pair = scorer.windows.pair(UpperCase(InMemory(text.encode())), change)
    assert pair is not None
    expected = []
    vocabulary = scorer.windows.vocabulary
    for reading in pair:
        window = reading.reference.decode()
        words = [*window[: reading.place], vocabulary.special[4], *window[reading.place + 1 :]]
        ids = [vocabulary.cls, *map(vocabulary.id, words), vocabulary.sep]
        inputs = torch.tensor([ids])
        hidden = torch.tensor([token == vocabulary.mask for token in ids])[None]
        with torch.inference_mode():
            logits = scorer.network(inputs, None, hidden)[0]
        sides = [chr(text[reading.place]) for text in (reading.alternative, reading.reference)]
        one, other = (float(logits[vocabulary.id(base)]) for base in sides)
        expected.append((one - other) / math.log(2))
    (found,) = score_variants(scorer, text.encode(), [(333, text[333], "C")])
    assert found["LLR"] == pytest.approx(np.mean(expected), abs=1e-5)
    assert found["LLR_SPREAD"] == pytest.approx(abs(expected[0] - expected[1]), abs=1e-5)


def test_a_causal_model_is_asked_of_the_whole_window(models: dict[str, Path], text: str) -> None:
    scorer = open_once(models["causal"])
    vocabulary = scorer.windows.vocabulary
    genome = UpperCase(InMemory(text.encode()))
    pair = scorer.windows.pair(genome, normalised(genome, "sequence", 300, "", "GATTACA"))
    assert pair is not None
    sums = []
    for reading in pair:
        sides = []
        for window in (reading.reference, reading.alternative):
            ids = [vocabulary.cls, *map(vocabulary.id, window.decode())]
            with torch.inference_mode():
                logits = scorer.network(
                    torch.tensor([ids]), None, torch.ones((1, len(ids)), dtype=torch.bool)
                )
            known = torch.log_softmax(logits[:-1, vocabulary.first :].double(), dim=1)
            chosen = torch.tensor(ids[1:]) - vocabulary.first
            sides.append(float(known.gather(1, chosen[:, None]).sum()) / math.log(2))
        sums.append(sides[1] - sides[0])
    variant = (299, text[299], text[299] + "GATTACA")
    (found,) = score_variants(scorer, text.encode(), [variant])
    assert found["LLR"] == pytest.approx(np.mean(sums), abs=1e-4)


def test_a_tuned_model_finds_the_change_that_makes_the_site(tuned: Path, text: str) -> None:
    scorer = open_once(tuned, window=63)
    sequence = text[:297] + "TATATG" + text[303:]
    (made,) = score_variants(scorer, sequence.encode(), [(297, "TAT", "GGG")])
    assert made["tis_REF"] + made["tis_DIFF"] == pytest.approx(made["tis_ALT"])
    assert isinstance(made["tis_LFC"], float)


def test_many_labels_and_numbers(models: dict[str, Path], tmp_path: Path, text: str) -> None:
    for target, odds in ((toys.LABELS, True), (toys.NUMBERS, False)):
        folder = tune(models["bases"], toys.make_examples(target, count=64), tmp_path / target.kind)
        scorer = TunedScorer(folder)
        found = score_variants(scorer, text.encode(), [(300, text[300], "N"), (301, "A", "C")])
        assert found[0] == {"skipped": "NOT_ACGT"}
        (scores,) = score_variants(scorer, text.encode(), [(333, text[333], "C")])
        names = {name.rpartition("_")[0] for name in scores if name.endswith("_ALT")}
        assert names == set(target.names)
        assert any(name.endswith("LFC") for name in scores) == odds


def test_models_that_need_more_than_a_sequence_are_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    short = toys.make_examples(count=64)
    short.table["sequence"] = short.table["sequence"].str[:30]
    short.table["focus"] = 15
    more = {
        "2 numbers beside each sequence": {
            "numbers": list(rng.normal(size=(64, 2)).astype(np.float32))
        },
        "pairs of sequences": {"partner": short.table["sequence"]},
    }
    for message, columns in more.items():
        examples = Examples(short.table.assign(**columns), short.target)
        folder = tune(models["bases"], examples, tmp_path / message.split()[0])
        with pytest.raises(InputError, match=message):
            open_scorer(folder)
    with pytest.raises(InputError, match="windows of 5,000 bases"):
        open_scorer(models["bases"], window=5_000)


def tune(model: Path, examples: Examples, folder: Path) -> Path:
    folder.mkdir()
    write_examples(folder / "examples.parquet", examples)
    finetune(
        model, folder / "examples.parquet", folder / "run", toys.make_task(epochs=1),
        init="pretrained", seed=1, threads=1,
    )  # fmt: skip
    return folder / "run" / "model"
