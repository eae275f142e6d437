"""Scores of a task: thresholds, groups, kinds, and what was seen in pretraining."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics as reference

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.families import kind_rows
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.examples import Examples, Target, write_examples
from tests.evaluation import tasks

SETTINGS = EvaluationConfig(bootstrap_samples=200)
RUNS = ("pretrained-1", "pretrained-2", "scratch-1", "scratch-2")
BASELINES = ("kmer", "constant")


def guesses(examples: Examples) -> dict[str, pd.DataFrame]:
    """Return predictions of every run, those of later ones with more noise."""
    rng = np.random.default_rng(0)
    held = examples.table[examples.table["split"] != "train"]
    truth = Examples(held, examples.target).targets()
    found = {}
    for noise, run in enumerate((*RUNS, *BASELINES)):
        width = examples.target.outputs
        if examples.target.kind == "class":
            raw = np.eye(width)[truth[:, 0].astype(int)] * 2
        else:
            raw = np.nan_to_num(truth)
        raw = raw + rng.normal(0, 0.8 + 0.4 * noise, raw.shape)
        if run == "constant":
            raw = np.broadcast_to(raw[:1], raw.shape)
        if examples.target.kind == "class":
            raw = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        elif examples.target.kind == "labels":
            raw = 1 / (1 + np.exp(-raw))
        scores = list(raw.astype(np.float32))
        found[run] = held[["example", "split"]].assign(scores=scores)
    return found


@pytest.fixture
def sites(tmp_path, write_documents):
    rng = np.random.default_rng(0)
    count = 300
    labels = rng.integers(0, 2, count)
    start = np.arange(count) * 100
    examples = tasks.examples(
        ["A" * 23] * count,
        labels,
        Target("class", ("decoy", "tis")),
        shares=(1 / 3, 1 / 3, 1 / 3),
        assembly="test",
        contig=np.where(np.arange(count) < 250, "a", "b"),
        strand="+",
        position=start + 10,
        start=start,
        end=start + 23,
        kind=np.where(labels == 1, "tis", rng.choice(["upstream", "intergenic"], count)),
    )
    examples.table["group"] = np.arange(count) // 2
    return Project(tmp_path, examples, write_documents)


class Project:
    """A folder with examples, predictions and documents."""

    def __init__(self, folder: Path, examples: Examples, write_documents) -> None:
        self.folder, self.examples = folder, examples
        self.scores = guesses(examples)
        write_examples(folder / "examples.parquet", examples)
        tasks.write_stats(folder / "stats.json", "paper", 0.25, 0.5)
        # Contig a is in pretraining from base 20,000 to 22,000: windows 200 to 219 of sites.
        write_documents(folder / "train.parquet", [("a", "-", 20_000, 22_000), ("c", "+", 0, 9)])

    def place(self, run: str) -> Path:
        return self.folder / (
            f"{run}.parquet" if run in BASELINES else f"{run}/predictions.parquet"
        )

    def evaluate(self, seed: int = 1) -> dict:
        for run, table in self.scores.items():
            self.place(run).parent.mkdir(exist_ok=True)
            table.sample(frac=1, random_state=2).to_parquet(self.place(run))
        evaluate_task(
            self.folder / "examples.parquet",
            self.folder / "stats.json",
            {name: self.place(name) for name in BASELINES},
            {run: self.folder / run for run in RUNS},
            [self.folder / "train.parquet"],
            self.folder / "out.json",
            self.folder / "out.parquet",
            SETTINGS,
            name="m",
            task="t",
            seed=seed,
        )
        return read_json(self.folder / "out.json")

    def test_scores(self, run: str) -> np.ndarray:
        table = self.scores[run]
        return np.stack(table.loc[table["split"] == "test", "scores"].to_list())

    @property
    def truth(self) -> np.ndarray:
        return self.examples.of("test").targets()


def test_values_are_means_over_seeds_of_sklearn_scores(sites):
    result = sites.evaluate()
    assert set(result["scores"]) == {"pretrained", "scratch", "kmer", "constant"}
    assert (result["kind"], result["headline"]) == ("class", "auroc")
    tests = [sites.test_scores(run)[:, 1].astype(float) for run in RUNS[:2]]
    labels = sites.truth[:, 0]
    expected = [reference.roc_auc_score(labels, scores) for scores in tests]
    found = result["scores"]["pretrained"]
    assert found["per_seed"]["auroc"] == pytest.approx(expected)
    assert found["auroc"]["value"] == pytest.approx(np.mean(expected))
    for metric in ("auroc", "auprc", "mcc", "f1", "accuracy", "brier", "ece"):
        assert found[metric]["low"] <= found[metric]["value"] <= found[metric]["high"] or (
            metric == "ece"  # biased upwards in resamplings
        )
    cuts = result["threshold"]["pretrained"]
    called = [scores >= cut for scores, cut in zip(tests, cuts, strict=True)]
    expected = [reference.matthews_corrcoef(labels, c) for c in called]
    assert found["per_seed"]["mcc"] == pytest.approx(expected)
    assert sum(row["count"] for row in found["calibration"]) == 2 * 100
    pooled = np.concatenate(tests)
    low = pooled[pooled < 0.1]
    assert found["calibration"][0]["mean_score"] == pytest.approx(low.mean())
    assert result["scores"]["constant"]["auroc"]["value"] == 0.5


def test_true_sites_against_each_kind(sites):
    by_kind = sites.evaluate()["scores"]["kmer"]["by_kind"]
    assert set(by_kind) == {"upstream", "intergenic"}
    part = sites.examples.of("test").table["kind"].isin(["tis", "upstream"]).to_numpy()
    expected = reference.roc_auc_score(
        sites.truth[part, 0], sites.test_scores("kmer")[part, 1].astype(float)
    )
    assert by_kind["upstream"]["auroc"]["value"] == pytest.approx(expected)


def test_thresholds_are_chosen_on_valid_alone(sites):
    def changed(split):
        for table in sites.scores.values():
            for row in np.flatnonzero(table["split"] == split):
                second = table["scores"].iloc[row][1] ** 5
                table["scores"].iloc[row][:] = [1 - second, second]

    before = sites.evaluate()
    changed("test")
    after = sites.evaluate()
    assert after["threshold"] == before["threshold"]
    assert after["scores"]["kmer"]["mcc"] != before["scores"]["kmer"]["mcc"]
    changed("valid")
    assert sites.evaluate()["threshold"] != before["threshold"]


def test_what_was_seen_what_leaks_and_the_table(sites):
    result = sites.evaluate()
    assert result["test_examples"] == 100
    assert result["positives"] == int(sites.truth.sum())
    assert result["seen_in_pretraining"] == pytest.approx(20 / 100)
    assert (result["protocol"], result["leak"]) == ("paper", {"exact": 0.25, "homologous": 0.5})
    table = pq.read_table(sites.folder / "out.parquet").to_pandas()
    assert len(table) == 200
    assert {"contig", "start", "strand", "kind", "group", "label", "kmer", *RUNS} <= set(table)
    second = np.stack(sites.scores["scratch-2"]["scores"].to_list())[:, 1]
    np.testing.assert_array_equal(table["scratch-2"], second)


def test_the_same_seed_gives_the_same_bytes(sites):
    sites.evaluate()
    written = [sites.folder / "out.json", sites.folder / "out.parquet"]
    first = [file.read_bytes() for file in written]
    sites.evaluate()
    assert [file.read_bytes() for file in written] == first
    sites.evaluate(seed=2)
    assert written[0].read_bytes() != first[0]


def test_scores_of_other_examples_are_refused(sites):
    sites.scores["kmer"] = sites.scores["kmer"].iloc[1:]
    with pytest.raises(InputError, match=r"kmer\.parquet: has scores of 199 examples, 1 of 200"):
        sites.evaluate()


def test_three_classes(tmp_path, write_documents):
    project = Project(tmp_path, tasks.composition_classes(), write_documents)
    result = project.evaluate()
    found, truth = result["scores"]["pretrained"], project.truth[:, 0]
    assert (result["headline"], result["threshold"]) == ("mcc", {})
    assert result["seen_in_pretraining"] is None
    tests = [project.test_scores(run).astype(float) for run in RUNS[:2]]
    expected = np.mean([reference.matthews_corrcoef(truth, t.argmax(axis=1)) for t in tests])
    assert found["mcc"]["value"] == pytest.approx(expected)
    expected = np.mean([reference.roc_auc_score(truth, t, multi_class="ovr") for t in tests])
    assert found["macro_auroc"]["value"] == pytest.approx(expected, abs=1e-6)
    tables = [reference.confusion_matrix(truth, t.argmax(axis=1)) for t in tests]
    np.testing.assert_allclose(found["confusion"], np.mean(tables, axis=0))
    assert result["scores"]["constant"]["mcc"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_labels_and_groups_of_them(tmp_path, write_documents):
    project = Project(tmp_path, tasks.composition_labels(), write_documents)
    result = project.evaluate()
    found = result["scores"]["scratch"]
    areas = np.empty((2, 4))
    for (row, label), _ in np.ndenumerate(areas):
        known = ~np.isnan(project.truth[:, label])
        scores = project.test_scores(RUNS[2 + row])[known, label]
        areas[row, label] = reference.roc_auc_score(project.truth[known, label], scores)
    expected = np.median(areas, axis=1).mean()
    assert found["median_auroc"]["value"] == pytest.approx(expected)
    assert found["median_auroc"]["low"] < expected < found["median_auroc"]["high"]
    expected = np.median(areas[:, ::2], axis=1).mean()
    assert found["by_group"]["even"]["median_auroc"]["value"] == pytest.approx(expected)
    assert result["labels_of_one_value"] == 0
    table = pd.read_parquet(project.folder / "out.parquet")
    np.testing.assert_allclose(table["auroc scratch-2"], areas[1])
    assert list(table["label"]) == ["l0", "l1", "l2", "l3"]


def test_numbers(tmp_path, write_documents):
    project = Project(tmp_path, tasks.composition_numbers(), write_documents)
    result = project.evaluate()
    found, truth = result["scores"]["pretrained"], project.truth
    tests = [project.test_scores(run) for run in RUNS[:2]]
    expected = np.mean([stats.spearmanr(truth[:, 0], t[:, 0]).statistic for t in tests])
    assert found["spearman"]["value"] == pytest.approx(expected)
    known = ~np.isnan(truth[:, 1])
    expected = [stats.pearsonr(truth[known, 1], t[known, 1]).statistic for t in tests]
    second = found["by_name"]["given"]["pearson"]["value"]
    assert second == pytest.approx(np.mean(expected), rel=1e-5)
    middle = (found["pearson"]["value"] + second) / 2
    assert found["mean_pearson"]["value"] == pytest.approx(middle)
    nothing = {"value": None, "low": None, "high": None}
    assert result["scores"]["constant"]["pearson"] == nothing
    assert len(pd.read_parquet(project.folder / "out.parquet")["scratch-1"].iloc[0]) == 2


def test_kinds_of_one_class_are_held_against_the_others():
    classes = np.array([0, 0, 1, 1, 1, 0])
    kinds = np.array(["x", "y", "z", "z", "", "y"])
    examples = tasks.examples(
        ["A"] * 6, classes, Target("class", ("no", "yes")), shares=(0, 0, 1), kind=kinds
    )
    rows = {kind: np.flatnonzero(chosen).tolist() for kind, chosen in kind_rows(examples)}
    assert rows == {"x": [0, 2, 3, 4], "y": [1, 2, 3, 4, 5], "z": [0, 1, 2, 3, 5]}
