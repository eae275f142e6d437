"""k-mer regression: the baseline of every task.

Features are the counts of all k-mers before and after the base that the examples are about,
apart, or in the whole sequence where they are about no base. What model a task needs at all
shows against this one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import reached, write_baseline
from pipeline_lib.evaluation.features import features
from pipeline_lib.evaluation.linear import trials
from pipeline_lib.evaluation.measures import measures_of
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.progress import progress


def evaluate_kmers(examples: Path, output: Path, settings: EvaluationConfig, *, seed: int) -> None:
    """Fit k-mer regressions and write the predictions of the best for valid and test as Parquet.

    k and the penalty are chosen by the headline metric on the validation split; scaling and
    weights are fitted on the training split alone. The choice, and the scores of all that were
    tried, are JSON in the metadata of the file (key ``dnalm``).

    Parameters
    ----------
    examples
        ``examples.parquet`` of a task.
    output
        Parquet file with columns example, split and scores.
    settings
        Which k are tried.
    seed
        Seed of the solver.
    """
    read = read_examples(examples)
    truth = read.targets()
    train = (read.table["split"] == "train").to_numpy()
    metric = f"valid_{measures_of(read.target).headline}"
    best: float | None = None
    scores: NDArray[np.floating] = np.empty(0)
    tried: list[dict[str, float | None]] = []
    chosen: dict[str, float | None] = {}
    for k in progress(sorted(set(settings.baseline_kmers)), "k-mer regressions", unit="k"):
        for penalty, found in trials(read.target, features(read, k), truth, train, seed=seed):
            value = reached(read, found)
            tried.append({"k": k, **penalty, metric: value if np.isfinite(value) else None})
            if best is None or value > best:
                best, scores, chosen = value, found, tried[-1]
    about = {"chosen": chosen, "trials": tried}
    write_baseline(output, read, scores, about, examples, settings, seed=seed)
