"""The k-mer regression: features, what it may see, and what it reaches on made-up tasks."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.kmer import evaluate_kmers, kmer_counts, scale
from pipeline_lib.finetuning.examples import write_examples

SETTINGS = EvaluationConfig(baseline_kmers=(1, 2))


def make_examples(count=600, seed=0):
    """Return examples whose true sites are richer in C downstream."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    sequences = []
    for label in labels:
        up = "".join(rng.choice(list("ACGT"), 30))
        shares = [0.15, 0.5, 0.15, 0.2] if label else [0.25] * 4
        down = "".join(rng.choice(list("ACGT"), 30, p=shares))
        sequences.append(f"{up}ATG{down}")
    return pd.DataFrame(
        {
            "example": np.arange(count),
            "assembly": "test",
            "contig": "a",
            "strand": "+",
            "position": np.arange(count) * 100 + 30,
            "start": np.arange(count) * 100,
            "end": np.arange(count) * 100 + 63,
            "sequence": sequences,
            "focus": 30,
            "label": labels,
            "kind": np.where(labels == 1, "tis", rng.choice(["upstream", "intergenic"], count)),
            "gene": "",
            "group": np.arange(count),
            "split": np.repeat(["train", "valid", "test"], [count - 200, 100, 100]),
        }
    )


@given(st.text(alphabet="ACGTN", min_size=3, max_size=30), st.integers(1, 3), st.data())
def test_counts_are_of_both_sides_apart_from_the_codon(sequence, k, data):
    focus = data.draw(st.integers(0, len(sequence) - 3))
    counts = kmer_counts(pd.DataFrame({"sequence": [sequence], "focus": [focus]}), k)
    found = counts.toarray()[0]
    assert found.shape == (2 * 4**k,)
    for side, text in enumerate((sequence[:focus], sequence[focus + 3 :])):
        words = Counter(text[i : i + k] for i in range(len(text) - k + 1))
        for word, count in words.items():
            if "N" not in word:
                code = int("".join(str("ACGT".index(letter)) for letter in word), 4)
                assert found[side * 4**k + code] == count
    assert found.sum() == sum(
        "N" not in text[i : i + k]
        for text in (sequence[:focus], sequence[focus + 3 :])
        for i in range(len(text) - k + 1)
    )


def test_scaling_equals_sklearn_and_sees_training_rows_alone():
    examples = make_examples()
    train = (examples["split"] == "train").to_numpy()
    counts = kmer_counts(examples, 2)
    scaler = StandardScaler(with_mean=False).fit(counts[train])
    np.testing.assert_allclose(
        scale(counts, train).toarray(), scaler.transform(counts).toarray(), rtol=1e-4
    )
    changed = counts.toarray()
    changed[~train] *= 7
    again = scale(type(counts)(changed), train)
    np.testing.assert_array_equal(again[train].toarray(), scale(counts, train)[train].toarray())


def run(tmp_path, examples):
    write_examples(tmp_path / "examples.parquet", examples)
    evaluate_kmers(tmp_path / "examples.parquet", tmp_path / "out.parquet", SETTINGS, seed=1)
    table = pq.read_table(tmp_path / "out.parquet")
    return table.to_pandas(), json.loads(table.schema.metadata[b"dnalm"])


def test_scores_of_a_task_that_composition_solves(tmp_path):
    examples = make_examples()
    scores, about = run(tmp_path, examples)
    assert list(scores.columns) == ["example", "split", "score"]
    assert scores["split"].value_counts().to_dict() == {"valid": 100, "test": 100}
    merged = scores.merge(examples, on=["example", "split"])
    test = merged[merged["split"] == "test"]
    assert roc_auc_score(test["label"], test["score"]) > 0.75
    assert about["chosen"] in about["trials"]
    assert about["chosen"]["valid_auroc"] == max(t["valid_auroc"] for t in about["trials"])


@pytest.mark.parametrize("what", ["labels", "sequences"])
def test_nothing_is_chosen_on_test_examples(tmp_path, what):
    examples = make_examples()
    scores, about = run(tmp_path, examples)
    test = examples["split"] == "test"
    if what == "labels":
        examples.loc[test, "label"] = 1 - examples.loc[test, "label"]
    else:
        examples.loc[test, "sequence"] = "C" * 30 + "ATG" + "T" * 30
    again, about_again = run(tmp_path, examples)
    valid = scores["split"] == "valid"
    pd.testing.assert_frame_equal(scores[valid], again[valid])
    assert about_again["trials"] == about["trials"]
