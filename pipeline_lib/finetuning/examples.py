"""The table of examples of a task: its columns, and how it is read and written."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path

SPLITS = ("train", "valid", "test")
TRUE_SITE = "tis"
DECOYS = ("upstream", "in_frame", "out_of_frame", "intergenic")

EXAMPLE_SCHEMA = pa.schema(
    [
        ("example", pa.int64()),
        ("assembly", pa.string()),
        ("contig", pa.string()),
        ("strand", pa.string()),
        ("position", pa.int64()),  # leftmost base of the codon, forward strand
        ("start", pa.int64()),  # of the window, forward strand
        ("end", pa.int64()),
        ("sequence", pa.string()),  # upper case, in reading direction
        ("focus", pa.int32()),  # index in `sequence` of the codon's first base
        ("label", pa.int8()),
        ("kind", pa.string()),
        ("gene", pa.string()),
        ("group", pa.int64()),  # homologous examples share one
        ("split", pa.string()),
    ]
)


def write_examples(path: Path, examples: pd.DataFrame) -> None:
    """Write a table of examples as Parquet, atomically; columns are put in their order."""
    table = pa.Table.from_pandas(
        examples[EXAMPLE_SCHEMA.names], schema=EXAMPLE_SCHEMA, preserve_index=False
    ).replace_schema_metadata()
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_examples(path: Path) -> pd.DataFrame:
    """Read a table of examples.

    Raises
    ------
    InputError
        If the file is no table of examples, or lacks examples of a class in a split.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            "is not a readable Parquet file", path=path, remedy="make the examples anew"
        ) from error
    missing = sorted(set(EXAMPLE_SCHEMA.names) - set(table.column_names))
    if missing:
        raise InputError(
            f"lacks the columns {', '.join(missing)}", path=path, remedy="make the examples anew"
        )
    examples: pd.DataFrame = table.to_pandas()
    present = set(zip(examples["split"], np.asarray(examples["label"]), strict=True))
    for split in SPLITS:
        for label, meaning in ((1, "true"), (0, "decoy")):
            if (split, label) not in present:
                raise InputError(
                    f"split {split!r} has no {meaning} examples",
                    path=path,
                    remedy="hold out other or more contigs in the task's `holdouts`",
                )
    return examples
