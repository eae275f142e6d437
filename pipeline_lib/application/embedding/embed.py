"""``dnalm embed``: the sequences of a file as vectors."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.embedding.encoder import Encoder, Pooling, Vectors
from pipeline_lib.application.embedding.output import (
    PLACE,
    STARTS,
    VECTOR,
    Arrays,
    check_output,
    open_writer,
)
from pipeline_lib.application.embedding.tokens import Window, Windows
from pipeline_lib.application.identity import (
    code_identity,
    file_identity,
    genome_file,
    model_identity,
)
from pipeline_lib.application.inputs import SEQUENCE, read_inputs
from pipeline_lib.application.parts import Parts, parts_of
from pipeline_lib.errors import InputError
from pipeline_lib.progress import progress_bar
from pipeline_lib.sequence import reverse_complement

PART_BASES, PART_ROWS = 1 << 19, 4_096
"""Most bases, unless of one sequence, and most sequences, that are computed at a time."""
PART_VALUES = 32 << 20
"""Most numbers of a part if there is a vector for each token."""


@dataclass(frozen=True)
class HowToEmbed:
    """What decides the vectors of sequences besides the model.

    Attributes
    ----------
    layer
        0 for what enters the first layer, 1 and more for what leaves that layer; negative numbers
        count from the last.
    pooling
        ``mean`` and ``max`` over tokens; ``first``: the first token; ``center``: the token of the
        middle base; ``none``: all of them. Special tokens and padding never count.
    both_strands
        Whether the vector is the mean of those of either strand.
    too_long
        ``windows``: what does not fit into the context is cut into windows, whose means count by
        their bases; ``error``: it is refused.
    precision
        ``auto``, ``fp32`` or ``bf16``.
    dtype
        Of what is written: ``float32`` or ``float16``.
    """

    layer: int = -1
    pooling: Pooling = "mean"
    both_strands: bool = False
    too_long: Literal["windows", "error"] = "windows"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    dtype: Literal["float32", "float16"] = "float32"


def embed(
    source: Path,
    model: Path,
    output: Path,
    how: HowToEmbed | None = None,
    *,
    genome: Path | None = None,
    sequence_column: str = SEQUENCE,
) -> dict[str, Any]:
    """Write the vectors of the sequences of a file.

    Parameters
    ----------
    source
        FASTA, BED, CSV, TSV or Parquet: see :func:`pipeline_lib.application.inputs.read_inputs`.
    model
        Folder of a pretrained or a tuned model.
    output
        ``FILE.parquet``: the columns of the input, and ``embedding``. Else a folder:
        ``embeddings.npy``, (sequences, width), ``index.parquet``, and what they are in
        ``embeddings.json``.
    how
        Layer, pooling and so on.
    genome
        For BED.
    sequence_column
        Of a table.

    Returns
    -------
    dict
        What the vectors are; it is written beside them, too.

    Raises
    ------
    InputError
        If input, model or settings cannot be used.
    """
    how = how or HowToEmbed()
    check_output(output)
    table = _table(source, how, genome, sequence_column)
    encoder = Encoder(model, how.layer, how.precision)
    cutter = Windows(model / "tokenizer.json", encoder.context_length, how.too_long)
    files = {"source": source} | ({"genome": genome_file(genome)} if genome else {})
    about = {**asdict(how), "layer": encoder.layer, "width": encoder.width}
    about["model"] = model_identity(model)
    about["inputs"] = {role: file_identity(path) for role, path in files.items()}
    identity = {**about, "code": code_identity(), "column": sequence_column}
    identity["device"] = encoder.device.type

    def compute(rows: slice) -> Arrays:
        return _part(table[rows], encoder, cutter, how)

    with parts_of(output, identity) as parts:
        _write(output, table, about, parts, compute)
    return about


def _write(
    output: Path,
    table: pd.DataFrame,
    about: dict[str, Any],
    parts: Parts,
    compute: Callable[[slice], Arrays],
) -> None:
    """Compute the parts that are not there yet, and write all of them."""
    lengths = table[SEQUENCE].str.len().to_numpy(dtype=np.int64)
    ranges = list(_parts(lengths, about["width"], about["pooling"]))
    tokens = 0
    with progress_bar("embeddings", total=len(table), unit="sequence") as bar:
        for number, rows in enumerate(ranges):
            part = parts.get(number, partial(compute, rows))
            tokens += len(part["vectors"])
            bar.update(rows.stop - rows.start)
    each = tokens if about["pooling"] == "none" else None
    with open_writer(output, table, about, tokens=each) as writer:
        for number, rows in enumerate(ranges):
            writer.write(rows, parts.get(number, partial(compute, rows)))


def _table(
    source: Path, how: HowToEmbed, genome: Path | None, sequence_column: str
) -> pd.DataFrame:
    """Return the sequences, if they can be embedded and written in this way."""
    if how.both_strands and how.pooling == "none":
        raise InputError(
            "the tokens of both strands have no common vectors",
            expected="one of `--pooling none` and `--both-strands`",
            remedy="leave one of them out",
        )
    table = read_inputs(source, genome, sequence_column=sequence_column)
    if taken := {VECTOR, STARTS, *PLACE} & set(table.columns):
        raise InputError(
            f"there is a column {min(taken)!r} already",
            path=source,
            remedy="rename the column",
        )
    return table


def _parts(lengths: NDArray[np.integer], width: int, pooling: str) -> Iterator[slice]:
    """Yield the rows of each part: neighbours, of so many bases and sequences."""
    most = PART_BASES if pooling != "none" else max(1, PART_VALUES // width)
    first, bases = 0, 0
    for row, length in enumerate(lengths.tolist()):
        if row > first and (bases + length > most or row - first == PART_ROWS):
            yield slice(first, row)
            first, bases = row, 0
        bases += length
    yield slice(first, len(lengths))


def _part(table: pd.DataFrame, encoder: Encoder, cutter: Windows, how: HowToEmbed) -> Arrays:
    """Return the vectors of some sequences, as they are written."""
    names, sequences = table["name"].tolist(), table[SEQUENCE].tolist()
    if how.pooling == "none":
        return _tokens(sequences, names, encoder, cutter, how)
    found = _pooled(sequences, names, encoder, cutter, how.pooling)
    if how.both_strands:
        turned = [reverse_complement(text.encode()).decode() for text in sequences]
        other = _pooled(turned, names, encoder, cutter, how.pooling)
        found = ((found + other) / 2).astype(np.float32)
    return {"vectors": found.astype(how.dtype)}


def _tokens(
    sequences: list[str], names: list[str], encoder: Encoder, cutter: Windows, how: HowToEmbed
) -> Arrays:
    windows = _cut(sequences, names, cutter)
    counts = np.zeros(len(sequences), dtype=np.int64)
    np.add.at(counts, [window.row for window in windows], [len(w.ids) for w in windows])
    return {
        "vectors": np.concatenate(encoder.vectors(windows)).astype(how.dtype),
        "starts": np.concatenate([window.starts for window in windows]),
        "counts": counts,
    }


def _pooled(
    sequences: list[str], names: list[str], encoder: Encoder, cutter: Windows, pooling: Pooling
) -> Vectors:
    """Return one vector of each sequence; (sequences, width)."""
    if pooling in ("first", "center"):
        pairs = [
            cutter.around(row, text, name, len(text) // 2 if pooling == "center" else 0)
            for row, (text, name) in enumerate(zip(sequences, names, strict=True))
        ]
        return encoder.pooled([pair[0] for pair in pairs], pooling, [pair[1] for pair in pairs])
    windows = _cut(sequences, names, cutter)
    values = encoder.pooled(windows, pooling, [])
    rows = np.array([window.row for window in windows])
    if len(rows) == len(sequences):
        return values
    if pooling == "max":
        found = np.full((len(sequences), encoder.width), -np.inf, dtype=np.float32)
        np.maximum.at(found, rows, values)
        return found
    bases = np.array([window.bases for window in windows], dtype=np.float64)
    shares = bases / np.bincount(rows, weights=bases)[rows]
    sums = np.zeros((len(sequences), encoder.width))
    np.add.at(sums, rows, values * shares[:, None])
    return sums.astype(np.float32)


def _cut(sequences: list[str], names: list[str], cutter: Windows) -> list[Window]:
    pairs = zip(sequences, names, strict=True)
    return [w for row, (text, name) in enumerate(pairs) for w in cutter.of(row, text, name)]
