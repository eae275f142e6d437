"""Tuning with one of several combinations of settings that are tried.

The test examples have no part in it: they are left out before anything else is done.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline_lib.config.finetuning import Task
from pipeline_lib.files import write_json
from pipeline_lib.finetuning.examples import Examples, read_examples
from pipeline_lib.finetuning.preparation import make_learner, prepare
from pipeline_lib.finetuning.probe import Probe


def try_point(
    model: Path,
    examples: Path,
    directory: Path,
    settings: Task,
    *,
    values: Mapping[str, Any],
    init: str,
    seed: int,
    threads: int,
) -> None:
    """Tune with one combination of settings, and write ``point.json``: what it reached.

    Parameters
    ----------
    model, examples, directory, init, seed, threads
        See :func:`pipeline_lib.finetuning.tune.finetune`.
    settings
        The task, the values of the combination included.
    values
        Those values alone, by key.

    Raises
    ------
    InputError
        If an example is longer than the model's context, or the examples cannot be learnt from.
    TrainingError
        If the loss is not finite.
    """
    torch.set_num_threads(threads)
    data = read_examples(examples)
    known = Examples(data.table[data.table["split"] != "test"], data.target)
    splits = ("train", "valid")
    prepared = prepare(model, known, settings, init=init, seed=seed, splits=splits)
    cache = directory.parents[2] / "embeddings"
    learner = make_learner(prepared, settings, seed, cache=cache)
    history = learner.fit(prepared.train, *prepared.scored["valid"])
    best = learner.best_penalty if isinstance(learner, Probe) else learner.best_epoch
    reached = {
        "init": init,
        "values": dict(values),
        "measure": learner.objective.measure,
        "score": learner.best_score,
        "penalty" if isinstance(learner, Probe) else "epoch": best,
        "seconds": round(sum(line["seconds"] for line in history), 3),
    }
    write_json(directory / "point.json", reached)
