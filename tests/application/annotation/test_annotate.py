"""Files of tracks and calls: what they hold, and that nothing on the way changes them."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline_lib.application.annotation import writers
from pipeline_lib.application.annotation.annotate import HowToAnnotate, annotate
from pipeline_lib.application.annotation.calls import Caller
from pipeline_lib.application.annotation.shape import shape_of
from pipeline_lib.application.annotation.tracks import Track, Tracker, tracks
from pipeline_lib.cli import app
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.scorer import load_tuned

TIS = {"window": 63, "focus": 30}


def values_of(path: Path, contig: str, length: int) -> np.ndarray:
    file = pyBigWig.open(str(path))
    found = np.array(file.values(contig, 0, length), dtype=np.float32)
    file.close()
    return found


@pytest.mark.parametrize("kind", ["bases", "tracks"])
def test_files_hold_what_the_model_says(dense, genome, sequences, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(Tracker, "at_once", 7)
    annotate(genome, dense[kind], tmp_path / "out", HowToAnnotate(strands="each", threshold=0.6))
    scorer = load_tuned(dense[kind])
    names = [f"{name}.{side}" for side in ("forward", "reverse") for name in scorer.target.names]
    for contig, text in sequences.items():
        own = tracks(scorer, text.encode(), shape_of(scorer), strands="each")
        assert np.isfinite(own).any()
        for name, column in zip(names, own.T, strict=True):
            found = values_of(tmp_path / "out" / f"{name}.bw", contig, len(text))
            np.testing.assert_allclose(found, column, rtol=1e-4, atol=1e-6)
    # chr1 has a gap, and the bases of its lower case have values like all others.
    assert np.isnan(own[1000:1050]).all()
    lines = [line.split("\t") for line in (tmp_path / "out/calls.bed").read_text().splitlines()]
    places = [(list(sequences).index(line[0]), int(line[1]), int(line[2])) for line in lines]
    assert places == sorted(places)
    assert all(float(line[6]) >= 0.6 for line in lines)
    if kind == "bases":
        assert {line[3] for line in lines} == {"exon", "intron"}  # the background is not called


def test_regions_have_the_values_of_the_whole_contig(dense, genome, tmp_path, monkeypatch):
    scored = []
    values = Tracker.values
    monkeypatch.setattr(
        Tracker,
        "values",
        lambda self, *all: (scored.append(all[3] - all[2]), values(self, *all))[1],
    )
    (tmp_path / "a.bed").write_text("1\t100\t130\n1\t120\t160\n1\t1700\t1713\nchrM\t0\t300\n")
    for kind in ("bases", "tracks"):
        how = HowToAnnotate(format="bigwig")
        annotate(genome, dense[kind], tmp_path / "whole", how)
        whole_windows = sum(scored)
        annotate(genome, dense[kind], tmp_path / "part", how, bed=tmp_path / "a.bed")
        # 300 bases of chrM, 60 and 13 of chr1: no others are computed.
        assert sum(scored) - whole_windows <= 28 + 7 + 3
        scored.clear()
        name = next((tmp_path / "whole").glob("*.bw")).name
        whole, part = (values_of(tmp_path / x / name, "chr1", 3000) for x in ("whole", "part"))
        expected = np.zeros(3000, dtype=bool)
        expected[100:160] = expected[1700:1713] = True
        if kind == "tracks":
            expected[1713:1716] = True  # a bin is told as a whole
        np.testing.assert_array_equal(np.isfinite(part), expected)
        np.testing.assert_allclose(part[expected], whole[expected], rtol=1e-5)


def test_sites_of_a_sequence_model(tuned, genome, sequences, tmp_path):
    how = HowToAnnotate(**TIS, strands="each", only="ATG", format="bedgraph", threshold=0.9)
    about = annotate(genome, tuned, tmp_path / "out", how, contigs=["chr2", "M"])
    assert about["files"] == ["tis.forward.bedgraph.gz", "tis.reverse.bedgraph.gz"]
    assert about["calls"]["tis"] == len((tmp_path / "out/calls.bed").read_text().splitlines())
    with gzip.open(tmp_path / "out" / about["files"][1], "rt") as handle:
        rows = [line.split("\t") for line in handle]
    for contig, start, end, _ in rows:
        assert int(end) == int(start) + 1
        assert sequences[contig][int(start) - 2 : int(end)] == "CAT"
    assert {row[0] for row in rows} == {"chr2", "chrM"}
    saved = json.loads((tmp_path / "out/annotation.json").read_text())
    assert saved["settings"]["window"] == 63


def test_steps_are_bins_and_do_not_pass_the_end(tuned, tmp_path):
    (tmp_path / "a.fa").write_text(">a\n" + "ACGGT" * 20 + "\n")
    how = HowToAnnotate(window=11, focus=10, step=8)  # the last focus is the last base
    annotate(tmp_path / "a.fa", tuned, tmp_path / "out", how)
    found = values_of(tmp_path / "out/tis.forward.bw", "a", 100)
    assert np.flatnonzero(np.isfinite(found)).tolist() == list(range(16, 100))
    assert all(len(set(found[at : at + 8].tolist())) == 1 for at in range(16, 100, 8))


@given(
    st.lists(st.floats(0, 1, width=16) | st.just(float("nan")), min_size=1, max_size=60),
    st.lists(st.integers(1, 59), max_size=4),
    st.integers(1, 3),
    st.integers(0, 5),
)
def test_calls_are_runs_whatever_the_parts(values, cuts, size, merge):
    table = np.array([values, values[::-1]], dtype=np.float32).T
    caller = Caller([Track("a", "+"), Track("b", "+")], 0.5, merge)
    found = []
    for low, high in zip([0, *sorted(cuts)], [*sorted(cuts), len(values)], strict=True):
        part = table[low:high]
        if len(part):
            found += caller.add(100 + low * size, size, part)
    found += caller.finish()
    expected = []
    for track, column in enumerate(table.T):
        runs: list[list[float]] = []
        for number, value in enumerate(column.tolist()):
            if value >= 0.5:
                start = 100 + number * size
                if runs and start - runs[-1][1] <= merge:
                    runs[-1] = [runs[-1][0], start + size, max(runs[-1][2], value)]
                else:
                    runs.append([start, start + size, value])
        expected += [(int(a), int(b), track, most) for a, b, most in runs]
    assert [tuple(call) for call in found] == sorted(expected)


SCRIPT = """
import sys, time
from pathlib import Path
from pipeline_lib.application.annotation.annotate import annotate
from pipeline_lib.application.annotation.tracks import Tracker

Tracker.at_once = 9
values = Tracker.values
Tracker.values = lambda *all: (time.sleep(0.2), values(*all))[1]
annotate(*map(Path, sys.argv[1:4]))
"""


def test_killed_and_rerun_it_ends_with_the_same_bytes(dense, genome, tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed" / "out", tmp_path / "whole" / "out"
    arguments = [str(genome), str(dense["bases"]), str(killed)]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.PIPE)
    parts = killed.parent / ".out.parts"
    while len(list(parts.glob("[0-9]*.npz"))) < 3:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    computed, values = [], Tracker.values
    monkeypatch.setattr(Tracker, "at_once", 9)
    monkeypatch.setattr(Tracker, "values", lambda *all: (computed.append(1), values(*all))[1])
    annotate(genome, dense["bases"], killed)
    again = len(computed)
    annotate(genome, dense["bases"], whole)
    assert again <= len(computed) - again - 3
    assert sorted(file.name for file in killed.parent.iterdir()) == ["out"]
    for file in sorted(whole.iterdir()):
        assert file.read_bytes() == (killed / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("bed", "options", "how", "message"),
    [
        ("chr2\t690\t701\n", {}, {}, "an end of at most 700"),
        ("chr7\t1\t9\n", {}, {}, "line 1: 'chr7' names no contig"),
        ("# none\n", {}, {}, "holds no intervals"),
        ("", {"contigs": ["chrX"]}, {}, "'chrX' names no contig of the genome"),
        ("chr1\t1\t9\n", {"contigs": ["chr1"]}, {}, "leave one of them out"),
        ("", {}, {"only": "ATN"}, "correct `--only`"),
        ("", {}, {"outputs": ("gene",)}, "has no output 'gene'; expected some of decoy, tis"),
        ("", {}, {"window": 4000}, "has the 4,000 bases"),
    ],
)
def test_bad_inputs_are_sentences(tuned, genome, tmp_path, bed, options, how, message):
    if bed:
        (tmp_path / "a.bed").write_text(bed)
        options = {**options, "bed": tmp_path / "a.bed"}
    with pytest.raises(InputError, match=message):
        annotate(genome, tuned, tmp_path / "out", HowToAnnotate(**{**TIS, **how}), **options)
    assert not (tmp_path / "out").exists()


def test_models_without_a_head_and_formats_without_a_library(models, tuned, genome, tmp_path,
                                                             monkeypatch):  # fmt: skip
    with pytest.raises(InputError, match=r"head\.safetensors: is missing"):
        annotate(genome, models["bases"], tmp_path / "out")
    monkeypatch.setattr(writers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'dnalm\[tracks\]'"):
        annotate(genome, tuned, tmp_path / "out", HowToAnnotate(**TIS))


def test_the_command_tells_what_it_has_written(tuned, genome, tmp_path):
    arguments = ["annotate", "--genome", str(genome), "--model", str(tuned), "--window", "63",
                 "--focus", "30", "--contigs", "chr2, MT", "--strands", "mean", "--step", "10",
                 "--threshold", "0.2", "--merge", "30", "--outputs", "tis,decoy", "-o",
                 str(tmp_path / "out")]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "2 tracks, values of" in done.output and "calls of decoy" in done.output
    values = [values_of(tmp_path / "out" / f"{name}.bw", "chr2", 700) for name in ("decoy", "tis")]
    known = np.isfinite(values[0])
    np.testing.assert_allclose((values[0] + values[1])[known], 1, atol=1e-5)
    for line in (tmp_path / "out/calls.bed").read_text().splitlines():
        assert line.split("\t")[5] == "."
