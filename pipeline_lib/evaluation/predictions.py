"""Files of predictions: what runs of models and baselines say of the examples of a task."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path

METADATA = b"dnalm"
PREDICTION_SCHEMA = pa.schema(
    [
        ("example", pa.int64()),
        ("split", pa.string()),
        ("scores", pa.list_(pa.float32())),  # one number for each output of the target
    ]
)
_REMEDY = "delete this file and run the rule that makes it again"


def write_predictions(
    path: Path, examples: pd.DataFrame, scores: NDArray[np.floating], about: dict[str, Any]
) -> None:
    """Write predictions as Parquet, atomically.

    Parameters
    ----------
    examples
        Columns example and split.
    scores
        Shape (examples, outputs).
    about
        What made them; JSON in the metadata of the file (key ``dnalm``).
    """
    lengths = np.arange(len(scores) + 1, dtype=np.int32) * scores.shape[1]
    values = pa.array(np.ascontiguousarray(scores, dtype=np.float32).ravel())
    columns = [
        pa.array(examples["example"], pa.int64()),
        pa.array(examples["split"], pa.string()),
        pa.ListArray.from_arrays(pa.array(lengths), values),
    ]
    table = pa.Table.from_arrays(columns, names=PREDICTION_SCHEMA.names).cast(PREDICTION_SCHEMA)
    with atomic_path(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({METADATA: json.dumps(about)}), temporary,
            compression="zstd",
        )  # fmt: skip


def read_predictions(path: Path, examples: pd.DataFrame, outputs: int) -> NDArray[np.float32]:
    """Return the predictions in a file in the order of the examples.

    Parameters
    ----------
    examples
        Columns example and split: all validation and test examples of the task.
    outputs
        How many numbers are predicted for an example.

    Returns
    -------
    ndarray
        Shape (examples, outputs).

    Raises
    ------
    InputError
        If the file cannot be read or belongs to other examples.
    """
    try:
        table = pq.read_table(path, columns=PREDICTION_SCHEMA.names)
        lists = table["scores"].combine_chunks()
        lengths = np.diff(lists.offsets.to_numpy())
        values = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    except (pa.ArrowInvalid, OSError, AttributeError) as error:
        raise InputError(
            f"cannot be read as a Parquet file of predictions ({error})", path=path, remedy=_REMEDY
        ) from error
    places = table.select(["example", "split"]).to_pandas().assign(row=np.arange(len(table)))
    joined = examples[["example", "split"]].merge(
        places.drop_duplicates(["example", "split"]), on=["example", "split"], how="left"
    )
    missing = int(joined["row"].isna().sum())
    if missing or len(places) != len(examples):
        raise InputError(
            f"has scores of {len(places):,} examples, {missing:,} of {len(examples):,} are missing",
            path=path,
            expected="scores of each validation and test example of the task",
            remedy=_REMEDY,
        )
    rows = joined["row"].to_numpy(dtype=np.int64)
    if len(wrong := np.flatnonzero(lengths != outputs)):
        found = f"example {places['example'][wrong[0]]:,} has {lengths[wrong[0]]} scores"
        raise InputError(found, path=path, expected=f"{outputs} for each example", remedy=_REMEDY)
    scores: NDArray[np.float32] = values.reshape(len(places), outputs)[rows]
    if len(wrong := np.flatnonzero(~np.isfinite(scores).all(axis=1))):
        found = f"example {examples['example'].iloc[wrong[0]]:,} has a score that is no number"
        raise InputError(found, path=path, expected="finite scores", remedy=_REMEDY)
    return scores
