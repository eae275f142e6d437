"""APARENT's pairs of sequences."""

import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.aparent import read


def task(path):
    return parse_task({"type": "aparent", "train": str(path), "test": str(path)})


def test_sample_of_the_published_file(shared):
    path = shared / "data" / "task_schemas" / "APARENT" / "AparentDataset_test_data.csv"
    table = read(task(path)).table
    assert table["split"].value_counts().to_dict() == {"train": 9, "test": 9}
    assert set(table["sequence"].str.len()) == {186}
    assert set(table["partner"].str.len()) == {256}
    assert table["kind"][0] == "Simple"
    assert table["kind"].nunique() == 9
    assert [float(value[0]) for value in table["target"]].count(0.0) == 2
    assert table["target"][0] == pytest.approx([0.7766497461928934])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ACGT,ACGT,lib,1.5", ["line 2, column 'target'", "the share is 1.5"]),
        ("ACGT,,lib,0.5", ["line 2, column 'seq_ext'", "empty"]),
        ("ACGT,ACGT,lib,", ["line 2, column 'target'", "'' is not a number"]),
    ],
)
def test_malformed_rows(write, row, said):
    with pytest.raises(InputError) as error:
        read(task(write("a.csv", f"seq,seq_ext,library,target\n{row}\n")))
    assert all(part in str(error.value) for part in said)
