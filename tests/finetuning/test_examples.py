"""Examples of every kind of target are read as they were written; useless ones are refused."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import (
    EXAMPLE_SCHEMA,
    SPLITS,
    Examples,
    Target,
    as_lists,
    read_examples,
    write_examples,
)

WIDTHS = st.sampled_from([("class", 2), ("class", 5), ("labels", 3), ("numbers", 1)])


def make(target: Target, values: np.ndarray, splits: list[str]) -> Examples:
    count = len(values)
    table = pd.DataFrame(
        {
            "example": range(count),
            "split": splits,
            "group": range(count),
            "sequence": [f"ACGT{'A' * i}" for i in range(count)],
            "target": as_lists(values),
        }
    )
    return Examples(table, target)


def classes(*counts_by_split: tuple[int, ...]) -> Examples:
    """Return examples with so many of each class in train, valid and test."""
    rows = [
        (split, index)
        for split, numbers in zip(SPLITS, counts_by_split, strict=True)
        for index, number in enumerate(numbers)
        for _ in range(number)
    ]
    names = tuple("abcdef"[: len(counts_by_split[0])])
    values = np.array([[index] for _, index in rows], dtype=np.float32)
    return make(Target("class", names), values, [split for split, _ in rows])


@settings(max_examples=20, deadline=None)
@given(WIDTHS, st.integers(0, 2**31))
def test_what_is_written_is_read(tmp_path_factory, kind, seed):
    name, width = kind
    rng = np.random.default_rng(seed)
    splits = [split for split in SPLITS for _ in range(2 * width)]
    if name == "class":
        values = np.tile(np.arange(width), 6)[: len(splits), None]
    else:
        values = rng.normal(size=(len(splits), width))
        values[rng.random(values.shape) < 0.2] = np.nan
    groups = {"first": (0,), "rest": (1, 2)} if name == "labels" else {}
    target = Target(name, tuple(f"n{i}" for i in range(width)), groups)
    examples = make(target, values.astype(np.float32), splits)
    path = tmp_path_factory.mktemp("examples") / "examples.parquet"
    write_examples(path, examples)
    first = path.read_bytes()
    found = read_examples(path)
    assert found.target == target
    assert list(found.table.columns) == EXAMPLE_SCHEMA.names
    np.testing.assert_array_equal(found.targets(), examples.targets())
    assert found.targets().shape == (len(splits), target.width)
    assert found.numbers().shape == (len(splits), 0)
    assert set(found.table["focus"]) == {-1} and set(found.table["partner"]) == {""}
    write_examples(path, found)
    assert path.read_bytes() == first
    parts = [found.of(split).table for split in SPLITS]
    assert pd.concat(parts)["example"].tolist() == found.table["example"].tolist()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (((1, 1), (1, 1), (1, 1)), None),
        (((1, 1, 1), (0, 1, 1), (1, 1, 0)), None),
        (((0, 0), (1, 1), (1, 1)), "split 'train' has no examples"),
        (((1, 1), (0, 0), (1, 1)), "split 'valid' has no examples"),
        (((0, 3), (1, 1), (1, 1)), "split 'train' has no examples of class 'a'"),
        (((3, 3), (1, 1), (1, 0)), "split 'test' has no examples of class 'b'"),
        (((1, 1, 0), (1, 1, 1), (1, 1, 1)), "split 'train' has no examples of class 'c'"),
        (((1, 1, 1), (1, 1, 1), (0, 1, 0)), "split 'test' has no examples of class 'a', 'c'"),
    ],
)
def test_splits_that_cannot_be_learnt_or_scored(tmp_path, counts, said):
    path = tmp_path / "examples.parquet"
    write_examples(path, classes(*counts))
    if said is None:
        assert len(read_examples(path)) == sum(map(sum, counts))
        return
    with pytest.raises(InputError, match=said + r"\. To fix"):
        read_examples(path)


def test_files_that_are_no_examples(tmp_path):
    path = tmp_path / "examples.parquet"
    path.write_text("sequence,label\n")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_examples(path)
    write_examples(path, classes((1, 1), (1, 1), (1, 1)))
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["kind", "target"]), path)
    with pytest.raises(InputError, match="lacks the columns kind, target"):
        read_examples(path)
    pq.write_table(table.replace_schema_metadata(), path)
    with pytest.raises(InputError, match="does not say what its targets are"):
        read_examples(path)
