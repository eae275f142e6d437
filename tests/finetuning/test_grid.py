"""Settings that are tried: each combination by itself, the choice by validation alone."""

import numpy as np
import pytest

from pipeline_lib.files import read_json, write_json
from pipeline_lib.finetuning.choice import choose, with_choice
from pipeline_lib.finetuning.examples import Examples, as_lists, write_examples
from pipeline_lib.finetuning.grid import try_point
from pipeline_lib.finetuning.tune import finetune
from tests.finetuning import toys
from tests.finetuning.test_tune import history, model, tokenizer  # noqa: F401

GRID = {"learning_rate": [1e-6, 5e-3], "batch_size": [16]}


def run(model, folder, examples, **changes):  # noqa: F811
    """Try all combinations for either start, and return the choice."""
    folder.mkdir(parents=True)
    write_examples(folder / "examples.parquet", examples)
    task = toys.make_task(grid=GRID, epochs=1, **changes)
    plain = task.model_dump(mode="json", exclude={"grid"})
    points = []
    for init in ("pretrained", "scratch"):
        for name, values in task.grid.points().items():
            place = folder / "model" / "task" / "grid" / f"{init}-{name}-1"
            settings = with_choice(plain | values, None, init)
            how = {"values": values, "init": init, "seed": 1, "threads": 1}
            try_point(model, folder / "examples.parquet", place, settings, **how)
            points.append(place / "point.json")
    choose(points, folder / "chosen.json")
    return read_json(folder / "chosen.json"), plain


def without_seconds(choice):
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in choice["points"]]
    return choice | {"points": rows}


def test_the_better_of_two_is_chosen_and_used(model, tmp_path):  # noqa: F811
    examples = toys.make_examples(count=240)
    choice, plain = run(model, tmp_path / "one", examples)
    assert choice["measure"] == "auroc"
    for init in ("pretrained", "scratch"):
        assert choice["chosen"][init] == {"learning_rate": 5e-3, "batch_size": 16}
        rows = [row for row in choice["points"] if row["init"] == init]
        assert [row["values"]["learning_rate"] for row in rows] == GRID["learning_rate"]
        assert [row["chosen"] for row in rows] == [False, True]
        assert rows[1]["score"] > rows[0]["score"]
        settings = with_choice(plain, tmp_path / "one" / "chosen.json", init)
        assert settings.learning_rate == 5e-3 and settings.grid is None
    folder = tmp_path / "one" / "model" / "task" / "pretrained-1"
    source = tmp_path / "one" / "examples.parquet"
    settings = with_choice(plain, tmp_path / "one" / "chosen.json", "pretrained")
    finetune(model, source, folder, settings, init="pretrained", seed=1, threads=1)
    assert history(folder)[0]["valid_auroc"] == choice["points"][1]["score"]


def test_the_test_examples_have_no_part_in_the_choice(model, tmp_path):  # noqa: F811
    examples = toys.make_examples(count=96)
    table, targets = examples.table, examples.targets()
    test = (table["split"] == "test").to_numpy()
    shuffled = targets.copy()
    shuffled[test] = np.random.default_rng(1).permutation(1 - targets[test])
    other = table.assign(
        target=as_lists(shuffled), sequence=table["sequence"].where(~test, "ACGGT" * 40)
    )
    assert (shuffled != targets).any()
    one, _ = run(model, tmp_path / "one", examples)
    two, _ = run(model, tmp_path / "two", Examples(other, examples.target))
    assert without_seconds(one) == without_seconds(two)


def test_of_equals_the_first_is_chosen(tmp_path):
    files = []
    for init in ("pretrained", "scratch"):
        for rate, score in ((1.0, 0.5), (2.0, 0.7), (3.0, 0.7)):
            files.append(tmp_path / f"{init}-{rate}.json")
            values = {"learning_rate": rate}
            point = {"init": init, "values": values, "measure": "mcc", "score": score}
            write_json(files[-1], point)
    choose(files, tmp_path / "chosen.json")
    assert read_json(tmp_path / "chosen.json")["chosen"] == {
        "pretrained": {"learning_rate": 2.0}, "scratch": {"learning_rate": 2.0}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"learning_rate": [1e-3]}}, "1 combinations of values; expected 2 to 200"),
        ({"grid": {"batch_size": [8, 8]}}, "`batch_size` names a value twice"),
        ({"grid": {"lora_rank": [4, 8]}}, "`grid.lora_rank` changes nothing with `method: full`"),
        ({"grid": {"epochs": [1, 2]}, "method": "probe"}, "`grid.epochs` changes nothing"),
        ({"method": "probe", "pooling": "attention"}, "learnt by training, but `method: probe`"),
        (
            {"method": "probe", "grid": {"pooling": ["mean", "attention"]}},
            "learnt by training, but `method: probe`",
        ),
    ],
)
def test_grids_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        toys.make_task(**changes)
