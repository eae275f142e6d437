"""Scores of a task: thresholds, groups, kinds, and what was seen in pretraining."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as reference

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.examples import write_examples

SETTINGS = EvaluationConfig(bootstrap_samples=200)
RUNS = ("pretrained-1", "pretrained-2", "scratch-1", "scratch-2")


@pytest.fixture
def files(tmp_path, write_documents):
    rng = np.random.default_rng(0)
    count = 300
    labels = rng.integers(0, 2, count)
    start = np.arange(count) * 100
    examples = pd.DataFrame(
        {
            "example": np.arange(count),
            "assembly": "test",
            "contig": np.where(np.arange(count) < 250, "a", "b"),
            "strand": "+",
            "position": start + 10,
            "start": start,
            "end": start + 23,
            "sequence": "A" * 23,
            "focus": 10,
            "label": labels,
            "kind": np.where(labels == 1, "tis", rng.choice(["upstream", "intergenic"], count)),
            "gene": "",
            "group": np.arange(count) // 2,
            "split": np.repeat(["train", "valid", "test"], 100),
        }
    )
    write_examples(tmp_path / "examples.parquet", examples)
    held = examples[examples["split"] != "train"]
    scores = {}
    for noise, run in enumerate((*RUNS, "kmer")):
        raw = held["label"] + rng.normal(0, 0.4 + 0.2 * noise, len(held))
        scores[run] = held[["example", "split", "label"]].assign(score=1 / (1 + np.exp(-raw)))
    # Contig a is in pretraining from base 20,000 to 22,000: windows 200 to 219, of 50 test ones.
    write_documents(tmp_path / "train.parquet", [("a", "-", 20_000, 22_000), ("c", "+", 0, 9)])
    return tmp_path, examples, scores


def evaluate(folder, scores, seed=1):
    for run, table in scores.items():
        path = folder / f"{run}.parquet" if run == "kmer" else folder / run / "predictions.parquet"
        path.parent.mkdir(exist_ok=True)
        table.sample(frac=1, random_state=2).to_parquet(path)
    evaluate_task(
        folder / "examples.parquet",
        folder / "kmer.parquet",
        {run: folder / run for run in RUNS},
        [folder / "train.parquet"],
        folder / "out.json",
        folder / "out.parquet",
        SETTINGS,
        name="m",
        task="t",
        seed=seed,
    )
    return read_json(folder / "out.json")


def test_values_are_means_over_seeds_of_sklearn_scores(files):
    folder, _, scores = files
    result = evaluate(folder, scores)
    assert set(result["scores"]) == {"pretrained", "scratch", "kmer"}
    tests = [scores[run][scores[run]["split"] == "test"] for run in RUNS[:2]]
    expected = [reference.roc_auc_score(t["label"], t["score"]) for t in tests]
    found = result["scores"]["pretrained"]
    assert found["per_seed"]["auroc"] == pytest.approx(expected)
    assert found["auroc"]["value"] == pytest.approx(np.mean(expected))
    for metric in ("auroc", "auprc", "mcc", "f1", "brier", "ece"):
        assert found[metric]["low"] <= found[metric]["value"] <= found[metric]["high"] or (
            metric == "ece"  # biased upwards in resamplings
        )
    cuts = result["threshold"]["pretrained"]
    called = [t["score"] >= cut for t, cut in zip(tests, cuts, strict=True)]
    expected = [
        reference.matthews_corrcoef(t["label"], c) for t, c in zip(tests, called, strict=True)
    ]
    assert found["per_seed"]["mcc"] == pytest.approx(expected)
    assert sum(row["count"] for row in found["calibration"]) == 2 * 100


def test_true_sites_against_each_kind(files):
    folder, examples, scores = files
    by_kind = evaluate(folder, scores)["scores"]["kmer"]["by_kind"]
    assert set(by_kind) == {"upstream", "intergenic"}
    joined = scores["kmer"].merge(examples[["example", "kind"]], on="example")
    part = joined[(joined["split"] == "test") & joined["kind"].isin(["tis", "upstream"])]
    expected = reference.roc_auc_score(part["label"], part["score"])
    assert by_kind["upstream"]["auroc"]["value"] == pytest.approx(expected)


def test_thresholds_are_chosen_on_valid_alone(files):
    folder, _, scores = files
    before = evaluate(folder, scores)
    for table in scores.values():
        table.loc[table["split"] == "test", "score"] **= 5
    after = evaluate(folder, scores)
    assert after["threshold"] == before["threshold"]
    assert after["scores"]["kmer"]["mcc"] != before["scores"]["kmer"]["mcc"]
    for table in scores.values():
        table.loc[table["split"] == "valid", "score"] **= 5
    assert evaluate(folder, scores)["threshold"] != before["threshold"]


def test_the_share_seen_in_pretraining_and_the_table(files):
    folder, examples, scores = files
    result = evaluate(folder, scores)
    assert result["test_examples"] == 100
    assert result["positives"] == int(examples.loc[examples["split"] == "test", "label"].sum())
    assert result["seen_in_pretraining"] == pytest.approx(20 / 100)
    table = pq.read_table(folder / "out.parquet").to_pandas()
    assert len(table) == 200
    assert {"contig", "start", "end", "strand", "kind", "group", "kmer", *RUNS} <= set(table)
    joined = table.merge(scores["scratch-2"], on="example")
    assert (joined["scratch-2"] == joined["score"]).all()


def test_the_same_seed_gives_the_same_bytes(files):
    folder, _, scores = files
    evaluate(folder, scores)
    first = (folder / "out.json").read_bytes(), (folder / "out.parquet").read_bytes()
    evaluate(folder, scores)
    assert first == ((folder / "out.json").read_bytes(), (folder / "out.parquet").read_bytes())
    other = evaluate(folder, scores, seed=2)
    assert read_json(folder / "out.json")["scores"] == other["scores"]
    assert first[0] != (folder / "out.json").read_bytes()


def test_scores_of_other_examples_are_refused(files):
    folder, _, scores = files
    scores["kmer"] = scores["kmer"].iloc[1:]
    with pytest.raises(InputError, match=r"kmer\.parquet: has scores of 199 examples, 1 of 200"):
        evaluate(folder, scores)
