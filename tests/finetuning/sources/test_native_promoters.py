"""Expression of yeast promoters."""

import numpy as np
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.native_promoters import read


def task(file, **changes):
    return parse_task({"type": "native_promoters", "file": str(file)} | changes)


def test_counts_are_the_published_ones(shared):
    path = shared / "data" / "yeast" / "native_promoter_expression.GSE104878.txt.gz"
    raw = read(task(path))
    assert len(raw.table) == 69_240
    assert len(raw.table) + raw.left_out["row without a measurement"] == 70_924
    assert set(raw.table["sequence"].str.len()) == {120}
    assert raw.table["kind"].value_counts().to_dict() == {"native": 61_236, "variant": 8_004}
    first = raw.table.iloc[0]
    assert first["sequence"].startswith("AACTGCATTTTTTTCACATC")
    assert first["target"] == pytest.approx([5.3747928587784])


def test_only_native_and_several_levels(write):
    text = (
        "seq\tisNative\tEL.rep1\tEL.rep2\n"
        "ACGT\tTRUE\t1.5\tNA\nAAAA\tFALSE\t2\t3\nCCCC\tTRUE\tNA\tNA\n"
    )
    path = write("a.txt", text)
    raw = read(task(path, target=["EL.rep1", "EL.rep2"], only_native=True))
    assert raw.table["sequence"].tolist() == ["ACGT"]
    np.testing.assert_array_equal(raw.table["target"].iloc[0], np.float32([1.5, np.nan]))
    assert raw.left_out == {"row without a measurement": 1, "designed variant": 1}
    assert raw.target.names == ("EL.rep1", "EL.rep2")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ACGT\tTRUE\thigh", ["line 2, column 'EL.combined'", "'high'"]),
        ("ACGT\tyes\t1", ["line 2, column 'isNative'", "'yes'"]),
        ("ACJT\tTRUE\t1", ["line 2, column 'seq'", "'J' is not a base (position 3)"]),
    ],
)
def test_malformed_rows(write, row, said):
    path = write("a.txt", f"seq\tisNative\tEL.combined\n{row}\n")
    with pytest.raises(InputError) as error:
        read(task(path))
    assert all(part in str(error.value) for part in said)
