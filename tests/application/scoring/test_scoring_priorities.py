"""Labelled variants told apart: whole loci, nothing seen twice, baselines that know nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import pipeline_lib.application.scoring.prioritise as module
from pipeline_lib.application.fasta import open_genome
from pipeline_lib.application.scoring.labelled import label_of, read_labelled
from pipeline_lib.application.scoring.prioritise import outer_folds, prioritise
from pipeline_lib.application.scoring.score import score_file
from pipeline_lib.cli import app
from pipeline_lib.config.application_scoring import PrioritySettings, ScoreSettings
from pipeline_lib.errors import InputError

SETTINGS = PrioritySettings(group_distance=20, folds=3, inner_folds=2, bootstrap_samples=100)


@pytest.fixture(autouse=True)
def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TREES", 10)
    monkeypatch.setattr(module, "GRID", module.GRID[:2])


@pytest.fixture
def scored(sequences: dict[str, str], tmp_path: Path) -> Path:
    """Return a table in which one score tells the classes apart but for noise."""
    rng = np.random.default_rng(3)
    places = np.sort(rng.choice(2900, size=120, replace=False))
    labels = rng.integers(2, size=120)
    rows = [
        {
            "contig": "chr1", "position": at + 1, "name": f"v{at}",
            "ref": sequences["chr1"][at].upper(), "alt": "A",
            "label": "Pathogenic" if label else "Benign",
            "LLR": round(float(rng.normal(-3.0 * label, 1)), 3), "noise": rng.normal(),
        }
        for at, label in zip(places.tolist(), labels.tolist(), strict=True)
    ]  # fmt: skip
    path = tmp_path / "scored.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


def test_scores_that_tell_are_found_and_position_is_not(
    scored: Path, genome: Path, tmp_path: Path
) -> None:
    found = []
    for name in ("one", "two"):
        output, table = tmp_path / f"{name}.json", tmp_path / f"{name}.out.tsv"
        prioritise(scored, genome, output, table, SETTINGS, seed=5)
        found.append((json.loads(output.read_text())["scores"], table.read_bytes()))
    assert found[0] == found[1]
    scores = {family: one["auroc"] for family, one in found[0][0].items()}
    assert scores["model"]["low"] > 0.85
    for family in ("position", "kmer"):
        assert scores[family]["value"] < 0.7 < scores["model"]["value"]
    assert set(scores) == {"model", "kmer", "model and kmer", "position"}


def test_loci_are_never_parted(scored: Path, genome: Path) -> None:
    data = read_labelled(scored, open_genome(genome), SETTINGS)
    gaps = np.diff(data.table["position"])
    assert ((np.diff(data.table["group"]) == 0) == (gaps < 20)).all()
    folds = pd.Series(outer_folds(data, 3, seed=1)).groupby(data.table["group"]).nunique()
    assert (folds == 1).all() and data.table["group"].nunique() < len(data.table)


def test_scores_of_a_vcf_are_its_features(
    sequences: dict[str, str], genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for at in range(100, 900, 40):
        ref = sequences["chr1"][at]
        alts = ",".join(base for base in "ACGT" if base != ref)
        said = f"CLNSIG={('Benign', 'Pathogenic')[at % 80 == 20]}"
        lines.append(f"1\t{at + 1}\t.\t{ref}\t{alts}\t.\t.\t{said}")
    lines.append(f"1\t950\tother\t{sequences['chr1'][949]}\t<DEL>\t.\t.\tCLNSIG=Conflicting")
    path, output = tmp_path / "in.vcf", tmp_path / "out.vcf.gz"
    path.write_text("\n".join(lines) + "\n")
    score_file(path, genome, models["bases"], output, ScoreSettings(embedding=True))
    data = read_labelled(output, open_genome(genome), SETTINGS)
    assert data.names[:2] == ("DNALM_LLR", "DNALM_LLR_SPREAD") and len(data.names) == 6
    assert data.features.shape == (60, 6) and np.isfinite(data.features).all()
    assert data.table["label"].mean() == 0.5
    runner = CliRunner()
    answer = runner.invoke(app, [
        "prioritise", str(output), "--genome", str(genome), "-o", str(tmp_path / "p.json"),
        "--group-distance", "10", "--folds", "2", "--inner-folds", "2",
    ])  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "30 with an effect, 30 without, 20 loci" in answer.output
    assert "<svg" in (tmp_path / "p.svg").read_text()
    assert len((tmp_path / "p.tsv").read_text().splitlines()) == 61


def test_classes_are_told_by_how_they_begin() -> None:
    texts = ["Pathogenic/Likely", "likely_benign", "GWAS12", "1000G7", "1", "0", "Conflicting", ""]
    assert [label_of(text, SETTINGS) for text in texts] == [1, 0, 1, 0, 1, 0, -1, -1]


def test_files_without_scores_or_classes_say_so(scored: Path, genome: Path, tmp_path: Path) -> None:
    table = pd.read_csv(scored, sep="\t")
    changed = {
        "has no scores": table.drop(columns=["LLR", "noise"]),
        "0 loci hold a variant with an effect": table.assign(label="Benign"),
        "has no column 'label'": table.drop(columns="label"),
    }
    for message, rows in changed.items():
        rows.to_csv(tmp_path / "bad.tsv", sep="\t", index=False)
        with pytest.raises(InputError, match=message):
            prioritise(
                tmp_path / "bad.tsv", genome, tmp_path / "o.json", tmp_path / "o.tsv", SETTINGS,
                seed=1,
            )  # fmt: skip
    assert not (tmp_path / "o.json").exists()
