"""Files of predictions are put in order, and refused where they are not what they should be."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.predictions import read_predictions, write_predictions

EXAMPLES = pd.DataFrame({"example": [4, 2, 9], "split": ["valid", "test", "test"]})
SCORES = np.array([[0.1, 0.9], [0.5, 0.5], [1.0, 0.0]], dtype=np.float32)


def test_order_is_that_of_the_examples(tmp_path):
    write_predictions(tmp_path / "p.parquet", EXAMPLES, SCORES, {"k": 1})
    turned = EXAMPLES.iloc[::-1].reset_index(drop=True)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.parquet", turned, 2), SCORES[::-1])
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert schema.field("scores").type == pa.list_(pa.float32())


@pytest.mark.parametrize(
    ("change", "outputs", "words"),
    [
        ({"example": [4, 2, 8]}, 2, "has scores of 3 examples, 1 of 3 are missing"),
        ({"scores": [[0.1, 0.9], [1.0], [0.5, 0.5]]}, 2, "example 2 has 1 scores"),
        ({}, 3, "example 4 has 2 scores"),
        ({"scores": [[0.1, 0.9], [0.5, float("nan")], [0, 1.0]]}, 2, "example 2 .* no number"),
    ],
)
def test_files_of_other_examples_or_models_are_refused(tmp_path, change, outputs, words):
    frame = EXAMPLES.assign(scores=list(SCORES)).assign(**change)
    frame.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match=rf"p\.parquet: .*{words}"):
        read_predictions(tmp_path / "p.parquet", EXAMPLES, outputs)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text"])
def test_no_parquet_is_named(tmp_path, content):
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet: cannot be read"):
        read_predictions(tmp_path / "p.parquet", EXAMPLES, 2)


def test_a_column_that_is_missing_is_named(tmp_path):
    EXAMPLES.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="scores"):
        read_predictions(tmp_path / "p.parquet", EXAMPLES, 2)
