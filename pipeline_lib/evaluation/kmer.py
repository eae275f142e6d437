"""k-mer logistic regression: the baseline of every task.

Features are the counts of all k-mers before and after the base that the example is about,
apart; the codon itself is left out. What model a task needs at all shows against this one.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.metrics import auroc
from pipeline_lib.files import atomic_path
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.progress import progress
from pipeline_lib.provenance import provenance
from pipeline_lib.sequence import base_codes, kmer_codes

CODON = 3
PENALTIES = (0.001, 0.01, 0.1, 1.0)
METADATA = b"dnalm"


def evaluate_kmers(examples: Path, output: Path, settings: EvaluationConfig, *, seed: int) -> None:
    """Fit k-mer regressions and write the scores of the best for valid and test as Parquet.

    k and the inverse penalty C are chosen by the AUROC on the validation split; scaling and
    weights are fitted on the training split alone. The choice, and the scores of all that were
    tried, are JSON in the metadata of the file (key ``dnalm``).

    Parameters
    ----------
    examples
        ``examples.parquet`` of a task.
    output
        Parquet file with columns example, split, score (probability of label 1).
    settings
        Which k are tried.
    seed
        Seed of the solver.
    """
    table = read_examples(examples)
    labels = table["label"].to_numpy()
    split = table["split"].to_numpy().astype("U5")
    trials, best, scores = [], -1.0, np.zeros(len(table))
    for k in progress(sorted(set(settings.baseline_kmers)), "k-mer regressions", unit="k"):
        features = scale(kmer_counts(table, k), split == "train")
        for penalty in PENALTIES:
            model = LogisticRegression(C=penalty, max_iter=300, tol=1e-3, random_state=seed)
            model.fit(features[split == "train"], labels[split == "train"])
            found = model.predict_proba(features)[:, 1].astype(np.float64)
            valid = split == "valid"
            reached = float(auroc(labels[valid], found[valid])[0])
            trials.append({"k": k, "C": penalty, "valid_auroc": reached})
            if reached > best:
                best, scores = reached, found
    chosen = next(trial for trial in trials if trial["valid_auroc"] == best)
    description = {
        "chosen": chosen,
        "trials": trials,
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs={"examples": examples}, seed=seed
        ),
    }
    held_out = split != "train"
    result = table.loc[held_out, ["example", "split"]].assign(score=scores[held_out])
    written = pa.Table.from_pandas(result, preserve_index=False).replace_schema_metadata(
        {METADATA: json.dumps(description)}
    )
    with atomic_path(output) as temporary:
        pq.write_table(written, temporary, compression="zstd")


def kmer_counts(examples: pd.DataFrame, k: int) -> sparse.csr_matrix:
    """Count k-mers before and after the codon of each example.

    Parameters
    ----------
    examples
        Columns sequence and focus.
    k
        Length of the k-mers; those with letters other than A, C, G and T are skipped.

    Returns
    -------
    csr_matrix
        Shape (examples, 2 * 4^k): k-mers before the codon, then k-mers after it.
    """
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    pairs = zip(examples["sequence"], examples["focus"], strict=True)
    for row, (sequence, focus) in enumerate(pairs):
        codes = base_codes(sequence.encode())
        for side, part in enumerate((codes[:focus], codes[focus + CODON :])):
            words = kmer_codes(part, k)
            words = words[words >= 0]
            columns.append(words + side * 4**k)
            rows.append(np.full(len(words), row))
    where = (np.concatenate(rows), np.concatenate(columns))
    counts = np.ones(len(where[0]), dtype=np.float32)
    # Entries at the same place are added up.
    return sparse.csr_matrix((counts, where), shape=(len(examples), 2 * 4**k))


def scale(counts: sparse.csr_matrix, train: NDArray[np.bool_]) -> sparse.csr_matrix:
    """Divide every column by its standard deviation among the training examples.

    The mean is left alone: zeros stay zeros, and the intercept makes up for it.
    """
    known = counts[train]
    mean = np.asarray(known.mean(axis=0)).ravel()
    square = np.asarray(known.multiply(known).mean(axis=0)).ravel()
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    factors = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    return (counts @ sparse.diags(factors.astype(np.float32))).tocsr()
