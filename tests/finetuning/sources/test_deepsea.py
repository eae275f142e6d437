"""DeepSEA's lines of a sequence and 919 labels."""

import numpy as np
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.deepsea import read


def task(path, **changes):
    return parse_task({"type": "deepsea", "train": str(path), "test": str(path)} | changes)


@pytest.fixture
def sample(shared):
    return shared / "data" / "task_schemas" / "DeepSea" / "test.dataset.csv.gz"


def test_sample_of_the_published_file(sample):
    raw = read(task(sample))
    whole = read(task(sample, context=None))
    table = raw.table[raw.table["split"] == "test"]
    assert len(table) == 100
    labels = np.stack(table["target"])
    assert labels.shape == (100, 919)
    assert labels.sum() == 1_571
    assert set(whole.table["sequence"].str.len()) == {8_000}
    assert whole.table["sequence"].str[3_500:4_500].equals(raw.table["sequence"])
    assert set("".join(table["sequence"])) == set("ACGT")


def test_groups_hold_every_label_once(sample):
    groups = read(task(sample)).target.groups
    assert {name: len(members) for name, members in groups.items()} == {
        "DHS": 125,
        "TF": 690,
        "HM": 104,
    }
    assert [index for members in groups.values() for index in members] == list(range(919))


def test_a_share_of_the_training_examples(sample):
    raw = read(task(sample, train_share=0.5), seed=1)
    splits = raw.table["split"].value_counts()
    assert splits["test"] == 100
    assert 30 < splits["train"] < 70
    assert raw.left_out["training example not drawn"] == 100 - splits["train"]


def test_names_of_the_labels(sample, write):
    names = write("names.txt", "".join(f"track {number}\n" for number in range(919)))
    assert read(task(sample, names=names)).target.names[918] == "track 918"
    with pytest.raises(InputError, match="2 names, 1 of them different"):
        read(task(sample, names=write("names.txt", "a\na\n")))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ACGT" * 250 + ",1" * 918, ["line 1", "919 columns", "expected 920"]),
        ("ACGT" * 250 + ",1" * 918 + ",2", ["line 1, column 920", "the label is '2'"]),
        ("ACGT" * 250 + ",1" * 917 + ",10,1", ["line 1, column 919", "the label is '10'"]),
        ("ACGT" * 100 + ",1" * 919, ["line 1", "400 bases", "1,000"]),
        ("ACGE" * 250 + ",1" * 919, ["line 1, column 1", "'E' is not a base"]),
    ],
)
def test_malformed_lines(write, line, said):
    with pytest.raises(InputError) as error:
        read(task(write("a.csv", line + "\n")))
    assert all(part in str(error.value) for part in said)
