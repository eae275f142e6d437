"""The folder of an explanation: whole, the same after a kill, and never half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from pipeline_lib.application.explanation import tracks
from pipeline_lib.application.explanation.run import explain
from pipeline_lib.application.explanation.settings import Settings
from pipeline_lib.cli import app
from pipeline_lib.errors import InputError
from tests.application.conftest import random_dna
from tests.finetuning import toys

DECOYS = {"poly": "TTTTT", "mixed": "CATCA", "acac": "ACACA"}


def motif_file(path: Path) -> Path:
    """Write a file of JASPAR with `GGG` after any bases, as planted, and decoys."""
    text = ">MA0001.1 planted\n"
    for base in "ACGT":
        text += f"{base} [ 5 5 {' '.join('20' if base == 'G' else '0' for _ in range(3))} ]\n"
    for name, word in DECOYS.items():
        text += f">{name}\n" + "".join(
            f"{base} [{' '.join('20' if base == letter else '0' for letter in word)}]\n"
            for base in "ACGT"
        )
    path.write_text(text)
    return path


def sites(path: Path, count: int) -> Path:
    """Write examples of the task of `tuned` with `GGG` before the `ATG` as CSV."""
    table = toys.make_examples(count=4 * count, seed=5).table
    kept = table[[text[27:30] == "GGG" for text in table["sequence"]]].head(count)
    kept[["sequence", "focus", "split"]].to_csv(path, index=False)
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("method", ["mutagenesis", "gradients"])
def test_planted_motif_is_named(tuned: Path, tmp_path: Path, method: str) -> None:
    source, motifs = sites(tmp_path / "a.csv", 24), motif_file(tmp_path / "a.jaspar")
    settings = Settings(method, average=True, seqlet_width=5, permutations=400, logos=2)
    explain(source, tuned, tmp_path / "out", settings, motifs=motifs)
    best = pd.read_csv(tmp_path / "out" / "motifs.tsv", sep="\t").iloc[0]
    assert (best["motif"], best["name"]) == ("MA0001.1", "planted")
    assert best["seqlets"] >= 20
    assert best["q"] < 0.001
    seqlets = pd.read_csv(tmp_path / "out" / "seqlets.tsv", sep="\t")
    there = seqlets[(seqlets["start"] > 21) & (seqlets["start"] < 30)]
    assert (there["motif"] == "MA0001.1").mean() > 0.9
    # Two of the three letters tell the classes apart, and need not matter alike.
    assert there["motif_start"].isin([25, 26]).mean() > 0.9
    average = pd.read_csv(tmp_path / "out" / "average.tsv", sep="\t").set_index("place")
    # The ATG itself is in all examples: what the model makes of another was never learnt.
    elsewhere = average["importance"].drop([0, 1, 2])
    assert set(elsewhere.nlargest(2).index) == {-2, -1}
    assert (average.loc[[-2, -1], "low"] > 0).all()
    assert average.loc[-2, "G"] == pytest.approx(average.loc[-2, "importance"])
    page = (tmp_path / "out" / "index.html").read_text()
    assert "MA0001.1" in page and "logos/0002_" in page
    assert len(list((tmp_path / "out" / "logos").iterdir())) == 2
    if method == "gradients":
        table = pd.read_csv(tmp_path / "out" / "sequences.tsv", sep="\t")
        assert table["complete"].all()
        sums = pd.read_parquet(tmp_path / "out" / "bases.parquet").groupby("number")["importance"]
        difference = table["value"] - table["baseline"]
        np.testing.assert_allclose(sums.sum(), difference + table["error"], atol=1e-3)


def test_a_killed_run_ends_with_the_same_bytes(tuned: Path, tmp_path: Path) -> None:
    source, motifs = sites(tmp_path / "a.csv", 48), motif_file(tmp_path / "a.jaspar")
    options = ["--average", "--motifs", str(motifs), "--logos", "3", "--model", str(tuned)]
    command = [sys.executable, "-m", "pipeline_lib.cli", "explain", str(source), *options]
    parts = tmp_path / ".killed.parts"
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "killed")], stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        end = time.monotonic() + 120
        while not (parts / "0000000.npz").exists() and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    kept = len(list(parts.glob("*.npz")))
    assert 1 <= kept < 3
    again = subprocess.run(
        [*command, "-o", str(tmp_path / "killed")], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    torch.set_num_threads(1)
    settings = Settings("mutagenesis", average=True, logos=3)
    explain(source, tuned, tmp_path / "undisturbed", settings, motifs=motifs)
    assert content(tmp_path / "killed") == content(tmp_path / "undisturbed")
    assert {"average.svg", "motifs.tsv", "bases.parquet"} <= content(tmp_path / "killed").keys()
    assert not parts.exists()


def test_other_sequences_move_no_value(tuned: Path, tmp_path: Path) -> None:
    """What is said of a sequence is the same alone, and among longer and shorter ones."""
    texts = [random_dna(length, length) for length in (40, 63, 51, 22)]
    (tmp_path / "all.fa").write_text("".join(f">s{n}\n{text}\n" for n, text in enumerate(texts)))
    (tmp_path / "one.fa").write_text(f">s2\n{texts[2]}\n")
    for method in ("mutagenesis", "gradients"):
        for name in ("all", "one"):
            folder = tmp_path / f"{method}-{name}"
            explain(tmp_path / f"{name}.fa", tuned, folder, Settings(method, logos=0))
        found = pd.read_parquet(tmp_path / f"{method}-all" / "bases.parquet")
        alone = pd.read_parquet(tmp_path / f"{method}-one" / "bases.parquet")
        among = found[found["number"] == 2]["importance"]
        np.testing.assert_allclose(among, alone["importance"], atol=1e-4)


def test_tracks_lie_where_the_sequences_do(
    tuned: Path, genome: Path, sequences: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.bed").write_text("chr2\t100\t140\ta\t0\t+\nchr2\t120\t160\tb\t0\t-\n")
    settings = Settings("mutagenesis", logos=1)
    explain(tmp_path / "a.bed", tuned, tmp_path / "out", settings, genome=genome)
    bases = pd.read_parquet(tmp_path / "out" / "bases.parquet")
    for row in bases.itertuples():
        letter = sequences["chr2"][row.position]
        assert row.base == (letter if row.number == 0 else letter.translate(COMPLEMENT))
    lines = (tmp_path / "out" / "importance.bedgraph").read_text().splitlines()
    found = {int(line.split("\t")[1]): float(line.split("\t")[3]) for line in lines[1:]}
    expected = bases.groupby("position")["importance"].mean()
    assert list(found) == list(range(100, 160))
    np.testing.assert_allclose([found[at] for at in expected.index], expected, rtol=1e-4)


def test_bigwig_holds_the_same_numbers(tmp_path: Path) -> None:
    wig = pytest.importorskip("pyBigWig")
    track = {"b": (np.array([5, 6, 9]), np.array([1.5, -2.0, 0.25]))}
    tracks.write_bigwig(tmp_path / "a.bw", track, {"a": 10, "b": 10})
    with wig.open(str(tmp_path / "a.bw")) as handle:
        assert handle.chroms() == {"b": 10}
        values = handle.values("b", 0, 10)
    np.testing.assert_array_equal(np.flatnonzero(~np.isnan(values)), [5, 6, 9])
    assert values[5:7] == [1.5, -2.0]


def test_maps_are_written_and_drawn(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(f">x/../<b>\n{random_dna(30, 1)}\n")
    explain(tmp_path / "a.fa", models["bases"], tmp_path / "out", Settings("dependencies"))
    with np.load(tmp_path / "out" / "maps.npz") as maps:
        assert maps["0"].shape == (30, 30)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<b>" not in page and "_map.svg" in page
    names = sorted(file.name for file in (tmp_path / "out" / "logos").iterdir())
    assert names == ["0001_x_.._b.svg", "0001_x_.._b_map.svg"]
    about = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert about["settings"]["rounds"] == 7


def test_the_shortest_sequences_are_explained(
    tuned: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.fa").write_text(">a\nA\n>b\nACGT\n>c\nGG\n")
    for number, (model, method) in enumerate(
        [
            (tuned, "mutagenesis"),
            (tuned, "gradients"),
            (models["words"], "dependencies"),
            (models["causal"], "dependencies"),
            (models["overlapping"], "mutagenesis"),
            (models["bpe"], "mutagenesis"),
        ]
    ):
        folder = tmp_path / str(number)
        motifs = motif_file(tmp_path / "a.jaspar") if method != "dependencies" else None
        settings = Settings(method, average=True, permutations=50)
        explain(tmp_path / "a.fa", model, folder, settings, motifs=motifs)
        bases = pd.read_parquet(folder / "bases.parquet")
        assert "".join(bases["base"]) == "AACGTGG"
        assert np.isfinite(bases["importance"]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "tiss"}, "there is no output 'tiss'"),
        ({"sequence": "ACGT" * 20}, "has 82 tokens, but the model reads 66"),
        ({"sequence": "ACGTNACGT" * 3}, "sequence 's': base 5 is 'N'"),
        ({"sequence": ""}, "the sequence is empty"),
        ({"motifs": ">a\nA 1 2\nC 1 2\nG 1 2\n"}, "has no counts of T"),
        ({"method": "dependencies"}, "predicts no bases"),
        ({"model": "bases", "method": "gradients"}, "with a pretrained model"),
        ({"model": "bpe", "method": "dependencies"}, "words of unequal length"),
        ({"model": "overlapping", "method": "dependencies"}, "words that overlap"),
        ({"where": {"splt": "test"}}, "there is no column 'splt'"),
        ({"focus": 70}, "base 70 lies outside of 's'"),
        ({"taken": True}, "holds something else than explanations"),
    ],
)
def test_bad_inputs_are_sentences(
    tuned: Path, models: dict[str, Path], tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "a.fa").write_text(f">s\n{changes.pop('sequence', 'ACGT' * 10)}\n")
    motifs = tmp_path / "a.jaspar" if "motifs" in changes else None
    if motifs is not None:
        motifs.write_text(changes.pop("motifs"))
    if changes.pop("taken", False):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("text")
    model = models[changes.pop("model")] if "model" in changes else tuned
    settings = Settings(**{"method": "mutagenesis", **changes})
    before = content(tmp_path)
    with pytest.raises(InputError) as error:
        explain(tmp_path / "a.fa", model, tmp_path / "out", settings, motifs=motifs)
    assert words in str(error.value)
    left = {name for name in content(tmp_path) if ".parts" not in name}
    assert left == before.keys()


def test_help_and_wrong_options(tmp_path: Path) -> None:
    text = CliRunner().invoke(app, ["explain", "--help"], env={"COLUMNS": "200"}).output
    assert "Example: dnalm explain" in text
    with pytest.raises(InputError, match="--where"):
        CliRunner().invoke(
            app, ["explain", "a.fa", "--model", "x", "-o", "y", "--where", "split"],
            catch_exceptions=False,
        )  # fmt: skip


COMPLEMENT = str.maketrans("ACGT", "TGCA")
