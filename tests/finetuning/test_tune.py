"""Fine-tuning as a whole: every kind of target and method, and what is written."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Examples, as_lists, write_examples
from pipeline_lib.finetuning.losses import make_objective
from pipeline_lib.finetuning.tune import finetune, load_tuned
from pipeline_lib.models.adapters import native_adapter
from tests.finetuning import toys

METHODS = {
    "full": {},
    "lora": {"method": "lora", "learning_rate": 2e-2, "lora_rank": 4},
    "probe": {"method": "probe"},
    "prompt": {"method": "prompt", "prompt_tokens": 4, "learning_rate": 5e-2, "epochs": 5},
}
QUICKER = (
    ("two", "prompt"),
    ("two", "lora"),
    ("numbers", "lora"),
    ("three", "probe"),
    ("labels", "probe"),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return toys.write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture(scope="module")
def model(tokenizer, tmp_path_factory):
    return toys.write_model(tmp_path_factory.mktemp("pretrained") / "model", tokenizer)


@pytest.fixture
def tune(model, tmp_path):
    """Return a function that tunes the model to examples and returns the folder of the run."""

    def run(examples, name="run", init="pretrained", seed=1, source=model, **changes):
        write_examples(tmp_path / f"{name}.parquet", examples)
        folder = tmp_path / "model" / "task" / name
        finetune(
            source,
            tmp_path / f"{name}.parquet",
            folder,
            toys.make_task(**changes),
            init=init,
            seed=seed,
            threads=1,
        )
        return folder

    return run


def written(folder, split="test"):
    """Return the examples of a split in the file of predictions, and their scores."""
    table = pq.read_table(folder / "predictions.parquet").to_pandas()
    assert list(table.columns) == ["example", "split", "scores"]
    assert table["example"].is_monotonic_increasing
    rows = table[table["split"] == split]
    return rows["example"].tolist(), np.stack(rows["scores"].to_list())


def reached(folder, examples, split="test"):
    """Return the measure of the task for what was written."""
    part = examples.of(split)
    rows, scores = written(folder, split)
    assert rows == part.table["example"].tolist()
    objective = make_objective(part.target, part.targets(), toys.make_task())
    return objective.quality(part.targets(), scores.astype(np.float64))


def history(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, "full") for name in toys.TARGETS), *QUICKER],
)
def test_solvable_tasks_are_solved_and_the_folder_gives_the_same_scores(tune, name, method):
    examples = toys.make_examples(toys.TARGETS[name], 400)
    folder = tune(examples, **METHODS[method])
    assert reached(folder, examples) > 0.85
    lines = history(folder)
    measure = {"two": "auroc", "three": "mcc", "labels": "median_auroc", "numbers": "pearson"}
    best = max(line[f"valid_{measure[name]}"] for line in lines)
    assert reached(folder, examples, "valid") == pytest.approx(best, abs=1e-6)
    scorer = load_tuned(folder / "model")
    assert scorer.target == examples.target
    again = scorer.score(examples.of("test").table.drop(columns="target"))
    np.testing.assert_allclose(again, written(folder)[1], rtol=1e-5)
    if method != "probe":
        assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
        assert lines[-1]["loss"] < lines[0]["loss"]
    if name in ("two", "three"):
        np.testing.assert_allclose(again.sum(axis=1), 1, atol=1e-6)


def test_the_methods_change_what_they_say(tune, model):
    examples = toys.make_examples(count=120)
    before = load_file(model / "model.safetensors")
    for method, changes in METHODS.items():
        changes = {"method": method, **changes, "epochs": 1}
        folder = tune(examples, method, weight_decay=0.0, **changes)
        after = load_file(folder / "model" / "model.safetensors")
        assert after.keys() == before.keys()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        if method in ("probe", "prompt"):
            assert not changed
        elif method == "lora":
            assert changed and all(name.endswith("weight") for name in changed)
            assert not any("embeddings" in name or "LayerNorm" in name for name in changed)
        else:
            assert any("embeddings" in name for name in changed)
        card = (folder / "model" / "README.md").read_text()
        assert f"Method `{method}`" in card and "(decoy, tis)" in card


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("two", "full"),
        ("labels", "full"),
        ("numbers", "full"),
        ("two", "lora"),
        ("numbers", "probe"),
    ],
)
def test_test_examples_teach_nothing(tune, name, method):
    """Other test examples, far from all others in all they hold, leave every weight as it is."""
    examples = toys.make_examples(toys.TARGETS[name], 96)
    numbers, targets = np.arange(96, dtype=np.float32)[:, None], examples.targets()
    table = examples.table.assign(numbers=as_lists(numbers))
    test = (table["split"] == "test").to_numpy()
    other = table.assign(
        sequence=table["sequence"].where(~test, "ACGGT" * 3),
        focus=table["focus"].where(~test, 1),
        numbers=as_lists(np.where(test[:, None], 1e6, numbers)),
        target=as_lists(np.where(test[:, None], 1 - targets, targets)),
    )
    contents = []
    for run, rows in (("one", table), ("other", other)):
        folder = tune(Examples(rows, examples.target), run, **{**METHODS[method], "epochs": 1})
        names = ("model.safetensors", "head.safetensors")
        contents.append([(folder / "model" / file).read_bytes() for file in names])
        contents[-1].append(written(folder, "valid")[1].tobytes())
    assert contents[0] == contents[1]
    assert (written(folder)[1] != written(folder.parent / "one")[1]).any()


def test_pairs_are_told_apart_by_the_partner(tune):
    examples = toys.make_examples(count=480)
    rng = np.random.default_rng(3)
    marks = np.array(["TATATATATA", "GGGGGGGGGG"])[examples.targets()[:, 0].astype(int)]
    first = ["".join(row) for row in rng.choice(list("ACGT"), (480, 20))]
    table = examples.table.assign(sequence=first, partner=marks, focus=-1)
    folder = tune(Examples(table, examples.target), pooling="mean", epochs=2)
    assert reached(folder, examples) > 0.95
    scorer = load_tuned(folder / "model")
    assert (scorer.how.pairs, scorer.how.window, scorer.how.focus) == (True, 20, -1)
    rows = table[table["split"] == "test"]
    np.testing.assert_allclose(scorer.score(rows), written(folder)[1], rtol=1e-5)
    assert abs(scorer.score(rows.assign(partner="")) - written(folder)[1]).max() > 0.1


def test_numbers_and_crops_are_taken_as_in_training(tune):
    """What decides is a number beside the sequence; the sequences are far too long."""
    examples = toys.make_examples(count=480)
    values = 1e4 + 10 * examples.targets() + np.random.default_rng(1).normal(size=(480, 1))
    table = examples.table.assign(numbers=list(values.astype(np.float32)))
    table["sequence"] = "ACGTT" * 12 + table["sequence"] + "ACGGC" * 12
    table["focus"] += 60
    examples = Examples(table, examples.target)
    with pytest.raises(InputError, match="reads 64 at most"):
        tune(examples)
    folder = tune(examples, too_long="crop", both_strands=True, epochs=2)
    assert reached(folder, examples) > 0.95
    scorer = load_tuned(folder / "model")
    assert (scorer.how.pairs, scorer.how.window, scorer.how.focus) == (False, 183, 90)
    rows = table[table["split"] == "test"]
    np.testing.assert_allclose(scorer.score(rows), written(folder)[1], rtol=1e-5)
    short = rows.iloc[:3].assign(numbers=[[], [], []])
    with pytest.raises(InputError, match=r"0 numbers are given with each sequence.*1"):
        scorer.score(short)


def test_a_scorer_needs_sequences_alone(tune):
    examples = toys.make_examples(count=96)
    table = examples.table.assign(focus=-1)
    folder = tune(Examples(table, examples.target), epochs=1, both_strands=True)
    scorer = load_tuned(folder / "model")
    rows = table[table["split"] == "test"]
    found = scorer.score(pd.DataFrame({"sequence": rows["sequence"]}))
    np.testing.assert_allclose(found, written(folder)[1], rtol=1e-5)
    assert scorer.score(pd.DataFrame({"sequence": []})).shape == (0, 2)


@pytest.mark.parametrize(
    ("family", "pooling", "method"),
    [
        ("gpt2", "mean", "full"),
        ("gpt2", "center", "probe"),
        ("hyena", "center", "lora"),
    ],
)
def test_models_of_the_next_token_are_tuned_too(tune, tokenizer, tmp_path, family, pooling, method):
    shape = toys.HYENA if family == "hyena" else toys.GPT
    source = toys.write_model(tmp_path / "source", tokenizer, shape)
    examples = toys.make_examples()
    changes = {**METHODS[method], "epochs": 4, "pooling": pooling, "learning_rate": 2e-2}
    folder = tune(examples, source=source, **changes)
    assert reached(folder, examples) > 0.8
    again = load_tuned(folder / "model").score(examples.of("test").table)
    np.testing.assert_allclose(again, written(folder)[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_seed_gives_the_same_bytes(tune, method):
    examples = toys.make_examples(count=120)

    def content(name, seed):
        changes = {**METHODS[method], "epochs": 1}
        folder = tune(examples, name, init="scratch", seed=seed, **changes)
        files = ("predictions.parquet", "model/model.safetensors", "model/head.safetensors")
        return [(folder / file).read_bytes() for file in files]

    one = content("one", 1)
    assert one == content("again", 1)
    assert all(a != b for a, b in zip(one, content("other", 2), strict=True))


def test_pretrained_starts_from_the_weights_and_scratch_does_not(tune, model):
    examples = toys.make_examples(count=96)
    weights = {
        init: load_file(
            tune(examples, init, init=init, epochs=1, learning_rate=1e-12, weight_decay=0.0)
            / "model"
            / "model.safetensors"
        )
        for init in ("pretrained", "scratch")
    }
    original = load_file(model / "model.safetensors")
    assert native_adapter(toys.SHAPE) is not None
    assert weights["scratch"].keys() == original.keys() == weights["pretrained"].keys()
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    torch.testing.assert_close(weights["pretrained"][name], original[name])
    assert not torch.allclose(weights["scratch"][name], original[name], atol=1e-3)


def test_heads_that_do_not_fit_are_refused(tune, tmp_path):
    folder = tune(toys.make_examples(count=96), epochs=1) / "model"
    head = folder / "head.safetensors"
    content = head.read_bytes()
    head.write_bytes(content[:100])
    with pytest.raises(InputError, match=r"head.safetensors: cannot be read as the head"):
        load_tuned(folder)
    head.write_bytes(content)
    about = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    state = load_file(head)
    save_file({**state, "weight": state["weight"][:, :5].clone()}, head, metadata=about)
    with pytest.raises(InputError, match=r"weights of shape \(2, 5\); expected \(2, 192\)"):
        load_tuned(folder)
    head.unlink()
    with pytest.raises(InputError, match=r"head.safetensors: is missing"):
        load_tuned(folder)
