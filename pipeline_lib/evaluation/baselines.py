"""What all baselines of a task share: how they choose on valid, and what they write."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.measures import Predicted, measures_of
from pipeline_lib.evaluation.predictions import write_predictions
from pipeline_lib.finetuning.examples import Examples
from pipeline_lib.provenance import provenance

Floats = NDArray[np.floating]


def reached(examples: Examples, scores: Floats, split: str = "valid") -> float:
    """Return the headline metric of predictions on a split; -inf where it is not defined.

    Of several numbers it is the mean over them, as in the choice of an epoch.

    Parameters
    ----------
    scores
        Predictions for all examples; shape (examples, outputs).
    """
    rows = (examples.table["split"] == split).to_numpy()
    measures = measures_of(examples.target)
    found = Predicted(examples.targets()[rows], scores[rows])
    several = examples.target.kind == "numbers" and examples.target.outputs > 1
    if several:
        value = measures.every(found, None)["mean_pearson",][0]
    else:
        value = measures.main(found, None)[measures.headline,][0]
    return -np.inf if np.isnan(value) else float(value)


def write_baseline(
    path: Path,
    examples: Examples,
    scores: Floats,
    about: dict[str, Any],
    source: Path,
    settings: EvaluationConfig,
    *,
    seed: int,
) -> None:
    """Write the predictions of a baseline for valid and test, with what made them.

    Parameters
    ----------
    scores
        Predictions for all examples; shape (examples, outputs).
    about
        What was chosen, and among what.
    source
        ``examples.parquet``.
    """
    held_out = (examples.table["split"] != "train").to_numpy()
    made_by = provenance(settings.model_dump(mode="json"), inputs={"examples": source}, seed=seed)
    write_predictions(
        path, examples.table[held_out], scores[held_out], {**about, "provenance": made_by}
    )
