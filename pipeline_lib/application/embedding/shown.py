"""Embeddings on a plane, coloured by a label, and how well the label is read from them."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline_lib.application.embedding.output import INDEX, VECTOR, read_about, read_vectors
from pipeline_lib.application.embedding.probe import probe
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation import clusters
from pipeline_lib.files import write_text
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.randomness import named_generator
from pipeline_lib.report.embedded import draw
from pipeline_lib.report.style import Outputs

MOST, MOST_MAPPED = 5_000, 2_000
"""Most sequences that are probed and shown, and shown by UMAP or t-SNE; drawn at random."""


MOST_KINDS = 20
"""A label that holds more different numbers is a measurement, and names no kinds."""


def check_figure(figure: Path, pooling: str) -> None:
    """Refuse a figure that cannot be drawn, before anything is computed.

    Raises
    ------
    InputError
        If it is no SVG, or there are vectors of single tokens.
    """
    if figure.suffix != ".svg":
        raise InputError(
            f"the suffix of a figure is {figure.suffix!r}",
            path=figure,
            expected=".svg; the table and a page are written beside it",
            remedy="choose another name in `--figure`",
        )
    if pooling == "none":
        raise InputError(
            "a figure of single tokens is not drawn",
            expected="another pooling than `none`",
            remedy="leave `--figure` out, or choose another `--pooling`",
        )


def show(
    embeddings: Path, figure: Path, *, label: str | None = None, plane: str = "pca", seed: int = 0
) -> list[str]:
    """Draw embeddings on a plane, and measure what they know of a label.

    Parameters
    ----------
    embeddings
        Output of :func:`pipeline_lib.application.embedding.embed.embed`.
    figure
        ``FILE.svg``. Beside it come ``FILE.tsv`` (scores), ``FILE.html`` (the same as a page) and
        ``FILE.points.tsv`` (where each sequence lies).
    label
        Column of the input.
    plane
        ``pca``, or ``map``: UMAP if it is installed, else t-SNE.

    Returns
    -------
    list of str
        What is to be told of it.

    Raises
    ------
    InputError
        If there is no such column, or too few sequences.
    """
    table, vectors = _drawn(embeddings, label, seed)
    notes = [f"{len(table):,} sequences are shown"]
    scores = None
    if label is not None and not pd.api.types.is_float_dtype(table[label]):
        found = probe(table, vectors, label, seed)
        scores = found.scores
        if found.left_out:
            some = ", ".join(f"{name} ({count})" for name, count in found.left_out.items())
            notes.append(f"too few sequences to be probed for: {some}")
        for row in scores.itertuples():
            notes.append(
                f"{row.what}, {row.metric}: balanced accuracy {row.value:.3f} "
                f"({row.low:.3f} to {row.high:.3f}), held out: {row.held_out}"
            )
    places, title, axes = _plane(vectors, plane, seed)
    points = table[["name", "contig", "start", "end"]].iloc[: len(places)].copy()
    if label is not None:
        points[label] = table[label].iloc[: len(places)]
    points["x"], points["y"] = places.T
    write_text(
        figure.with_suffix(".points.tsv"),
        points.to_csv(sep="\t", index=False, lineterminator="\n", float_format="%.6g"),
    )
    about = read_about(embeddings)
    outputs = Outputs(figure, figure.with_suffix(".tsv"), figure.with_suffix(".html"))
    name = f"Embeddings, layer {about['layer']}, {about['pooling']}"
    draw(points, scores, outputs, title=name, method=title, axes=axes, label=label)
    return [*notes, f"wrote {figure}: {title}"]


def _drawn(
    embeddings: Path, label: str | None, seed: int
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Return at most 5,000 sequences in random order, with their vectors."""
    path = embeddings / INDEX if embeddings.is_dir() else embeddings
    schema = pq.read_schema(path)
    if label is not None and label not in schema.names:
        raise InputError(
            f"there is no column {label!r}",
            path=path,
            expected=f"one of {', '.join(name for name in schema.names if name != VECTOR)}",
            remedy="correct `--label`",
        )
    columns = ["name", "sequence", "contig", "start", "end", *([label] if label else [])]
    table: pd.DataFrame = pq.read_table(path, columns=list(dict.fromkeys(columns))).to_pandas()
    if len(table) < 3:
        raise InputError(
            f"there are {len(table)} sequences",
            path=path,
            expected="at least 3 to draw",
            remedy="leave `--figure` out, or give more sequences",
        )
    order = named_generator(seed, "shown embeddings").permutation(len(table))[:MOST]
    rows = np.sort(order)
    # In random order: whatever is shown of them is shown of all.
    mixed = named_generator(seed, "order of shown embeddings").permutation(len(rows))
    table = table.iloc[rows[mixed]].reset_index(drop=True)
    if label is not None:
        table[label] = _as_numbers(table[label])
    return table, read_vectors(embeddings, rows)[mixed]


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return a column as numbers, if it holds many different ones: text files have words alone."""
    found = pd.to_numeric(column, errors="coerce").astype(np.float64)
    known = column.notna() & (column.astype(str) != "")
    return found if found[known].notna().all() and found.nunique() > MOST_KINDS else column


def _plane(
    vectors: NDArray[np.float32], plane: str, seed: int
) -> tuple[NDArray[np.float64], str, tuple[str, str]]:
    """Return where vectors lie on a plane, how it is called, and the names of its axes."""
    scaled = Scaler.of(vectors).apply(vectors)
    if plane == "pca":
        places, (first, second) = clusters.plane(scaled)
        return places, "principal components", (f"{first:.0%} of the variance", f"{second:.0%}")
    scaled = scaled[:MOST_MAPPED]
    if find_spec("umap") is not None:
        umap = import_module("umap")
        model: Any = umap.UMAP(random_state=seed, n_neighbors=min(15, len(scaled) - 1))
        return np.asarray(model.fit_transform(scaled), np.float64), "UMAP", ("UMAP 1", "UMAP 2")
    from sklearn.manifold import TSNE

    model = TSNE(init="pca", random_state=seed, perplexity=min(30.0, (len(scaled) - 1) / 3))
    return np.asarray(model.fit_transform(scaled), np.float64), "t-SNE", ("t-SNE 1", "t-SNE 2")
