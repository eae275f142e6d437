"""The baseline that says the same of every example: what is reached without looking at it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import write_baseline
from pipeline_lib.finetuning.examples import Examples, read_examples


def evaluate_constant(
    examples: Path, output: Path, settings: EvaluationConfig, *, seed: int
) -> None:
    """Write shares of classes or labels, or means of numbers, of the training examples.

    Parameters
    ----------
    examples
        ``examples.parquet`` of a task.
    output
        Parquet file of predictions for valid and test.
    settings, seed
        Stored as provenance.
    """
    read = read_examples(examples)
    values = constant(read)
    scores = np.broadcast_to(values, (len(read), len(values)))
    about = {"values": [float(value) for value in values]}
    write_baseline(output, read, scores, about, examples, settings, seed=seed)


def constant(examples: Examples) -> NDArray[np.float64]:
    """Return what is said of every example; shape (outputs,).

    A label or number that no training example knows is 0.
    """
    truth = examples.of("train").targets().astype(np.float64)
    if examples.target.kind == "class":
        counts = np.bincount(truth[:, 0].astype(np.int64), minlength=examples.target.outputs)
        return np.asarray(counts / counts.sum())
    known = ~np.isnan(truth)
    sums = np.where(known, truth, 0).sum(axis=0)
    return np.asarray(sums / np.maximum(known.sum(axis=0), 1))
