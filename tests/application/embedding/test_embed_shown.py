"""The figure of embeddings, the probe beside it, and the command that makes both."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline_lib.application.embedding.probe import probe
from pipeline_lib.application.embedding.shown import show
from pipeline_lib.cli import app
from pipeline_lib.errors import InputError
from tests.application.conftest import random_dna

TEXT = ["name", "sequence", "kind", "contig"]


def table_of(count: int, contigs: int) -> pd.DataFrame:
    kinds = np.array(["gene", "tRNA", "between"])[np.arange(count) % 3]
    frame = pd.DataFrame({"name": kinds, "sequence": [random_dna(60, n) for n in range(count)]})
    names = np.array([f"c{n}" for n in range(contigs)] or [""])[np.arange(count) % max(contigs, 1)]
    return frame.assign(kind=kinds, contig=names, start=-1, end=-1)


@pytest.mark.parametrize(
    ("contigs", "held_out"), [(7, "contigs"), (2, "sequences"), (0, "sequences")]
)
def test_what_vectors_know_is_read_and_what_they_do_not_is_not(contigs, held_out):
    table = table_of(240, contigs)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(240, 8)).astype(np.float32)
    vectors[:, 0] += 8 * (table["kind"] == "gene")
    vectors[:, 1] += 8 * (table["kind"] == "tRNA")
    scores = probe(table, vectors, "kind").scores.set_index(["what", "metric"])
    assert set(scores["held_out"]) == {held_out}
    assert (scores.loc["embeddings", "value"] > 0.95).all()
    assert (scores.loc["4-mers", "value"] < 0.55).all()  # random sequences
    assert (scores["low"] <= scores["value"]).all()
    again = probe(table, vectors, "kind").scores.set_index(["what", "metric"])
    pd.testing.assert_frame_equal(scores, again)


def test_a_label_that_is_the_contig_is_not_read():
    # Vectors tell contigs apart, and nothing else: on other contigs that is of no use.
    table = table_of(280, 14)
    table["kind"] = np.where(table["contig"].str[1:].astype(int) % 2 == 0, "even", "odd")
    vectors = np.random.default_rng(1).normal(size=(280, 20)).astype(np.float32)
    vectors[np.arange(280), table["contig"].str[1:].astype(int)] += 10
    scores = probe(table, vectors, "kind").scores
    assert (scores.loc[scores["what"] == "embeddings", "value"] < 0.7).all()


@pytest.mark.parametrize("plane", ["pca", "map"])
def test_the_command_writes_vectors_and_figure(models, tmp_path, plane):
    table_of(60, 4)[TEXT].to_csv(tmp_path / "in.csv", index=False)
    arguments = ["embed", str(tmp_path / "in.csv"), "--model", str(models["words"]), "-o",
                 str(tmp_path / "out"), "--figure", str(tmp_path / "fig.svg"), "--label", "kind",
                 "--plane", plane]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "wrote" in done.output and "4-mers, linear" in done.output
    figure = (tmp_path / "fig.svg").read_text()
    assert "tRNA (20)" in figure and ("t-SNE" in figure or "UMAP" in figure) == (plane == "map")
    points = pd.read_csv(tmp_path / "fig.points.tsv", sep="\t")
    assert len(points) == 60 and np.isfinite(points[["x", "y"]]).all(axis=None)
    assert (tmp_path / "fig.html").exists() and len(
        pd.read_csv(tmp_path / "fig.tsv", sep="\t")
    ) == 4


def test_numbers_colour_the_figure_and_are_not_probed(models, tmp_path):
    table_of(30, 0)[TEXT].assign(rate=np.linspace(0, 1, 30)).to_csv(
        tmp_path / "in.csv", index=False
    )
    run = CliRunner().invoke
    start = ["embed", str(tmp_path / "in.csv"), "--model", str(models["bases"]), "-o",
             str(tmp_path / "out.parquet")]  # fmt: skip
    done = run(app, [*start, "--figure", str(tmp_path / "fig.svg"), "--label", "rate"])
    assert done.exit_code == 0, done.output
    assert ">rate<" in (tmp_path / "fig.svg").read_text()
    assert "balanced" not in done.output


@pytest.mark.parametrize(
    ("label", "message"),
    [("sort", "there is no column 'sort'; expected one of name, sequence"),
     ("name", r"has 0 values with at least 10 sequences")],
)  # fmt: skip
def test_labels_that_cannot_be_probed_are_sentences(models, tmp_path, label, message):
    from pipeline_lib.application.embedding.embed import embed

    frame = table_of(12, 0)[TEXT].assign(name=[f"s{n}" for n in range(12)])
    frame.to_csv(tmp_path / "in.csv", index=False)
    embed(tmp_path / "in.csv", models["bases"], tmp_path / "out")
    with pytest.raises(InputError, match=message):
        show(tmp_path / "out", tmp_path / "a.svg", label=label)
    assert not Path(tmp_path / "a.svg").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--figure", "a.png"], "expected .svg"),
     (["--figure", "a.svg", "--pooling", "none"], "leave `--figure` out")],
)  # fmt: skip
def test_figures_that_cannot_be_drawn_are_refused_first(models, tmp_path, options, message):
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    start = ["embed", str(tmp_path / "a.fa"), "--model", str(models["bases"]), "-o",
             str(tmp_path / "out")]  # fmt: skip
    done = CliRunner().invoke(app, [*start, *options])
    assert isinstance(done.exception, InputError) and message in str(done.exception)
    assert not (tmp_path / "out").exists()
