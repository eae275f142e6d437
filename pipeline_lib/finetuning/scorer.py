"""Tuned models as folders: what is saved of the head, and scores of new sequences."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples, encode_examples, mirrored, numbers_of
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.losses import Objective, restore_objective
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.training import mean_scores, preferred_device
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.pretraining.folder import load_language_model

HEAD = "head.safetensors"


@dataclass(frozen=True)
class HowToScore:
    """What besides weights decides the scores of a sequence.

    Attributes
    ----------
    target
        What is predicted.
    pooling, dropout
        Of the classifier.
    both_strands, too_long, precision
        Settings of the task.
    numbers
        Scaler of the numbers given with each sequence; of no columns if there are none.
    """

    target: Target
    pooling: str
    dropout: float
    both_strands: bool
    too_long: str
    precision: str
    numbers: Scaler

    @classmethod
    def of(
        cls, target: Target, settings: FinetuningSettings, dropout: float, numbers: Scaler
    ) -> "HowToScore":
        """Return what the settings of a task say of it."""
        values = settings.model_dump(include={"pooling", "both_strands", "too_long", "precision"})
        return cls(target=target, dropout=dropout, numbers=numbers, **values)

    @property
    def number_count(self) -> int:
        """How many numbers are given with each sequence."""
        return len(self.numbers.mean)

    def views(
        self, table: pd.DataFrame, tokenizer: Path, context_length: int
    ) -> list[EncodedExamples]:
        """Return the examples of a table as tokens, of one strand or of both.

        Raises
        ------
        InputError
            If an example is longer than the context, or has more or fewer numbers than the model
            was tuned with.
        """
        given = numbers_of(table).shape[1]
        if given != self.number_count:
            raise InputError(
                f"{given} numbers are given with each sequence",
                expected=f"{self.number_count}, as in training",
                remedy="give the numbers that the model was tuned with, in their order",
            )
        sides = [table, mirrored(table)] if self.both_strands else [table]
        return [
            encode_examples(
                side,
                tokenizer,
                context_length=context_length,
                too_long=self.too_long,
                scaler=self.numbers,
            )
            for side in sides
        ]


@dataclass(frozen=True)
class Scorer:
    """A tuned model.

    Attributes
    ----------
    classifier
        Encoder and head.
    objective
        How outputs become scores.
    how
        All else that decides them.
    tokenizer
        ``tokenizer.json``.
    context_length
        Most tokens that the model reads.
    """

    classifier: SequenceClassifier
    objective: Objective
    how: HowToScore
    tokenizer: Path
    context_length: int

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.how.target

    def score(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Return the scores of sequences.

        Parameters
        ----------
        table
            Column ``sequence`` (upper case, in reading direction); if the model was tuned with
            them also ``partner``, ``focus`` (-1: the middle) and ``numbers``.

        Returns
        -------
        ndarray
            Probabilities of classes or labels, or numbers in the units of the training targets,
            in the order of ``target.names``; shape (sequences, outputs).

        Raises
        ------
        InputError
            If a sequence is longer than the context, or has more or fewer numbers than the model
            was tuned with.
        """
        if not len(table):
            return np.empty((0, self.target.outputs), dtype=np.float32)
        known = table.drop(columns="target", errors="ignore")
        views = self.how.views(known, self.tokenizer, self.context_length)
        found = mean_scores(self.classifier, self.objective, *views, precision=self.how.precision)
        return found.astype(np.float32)


def save_head(
    path: Path, classifier: SequenceClassifier, objective: Objective, how: HowToScore
) -> None:
    """Write the head, and in its metadata whatever is needed to score sequences with it."""
    weights = classifier.head.state_dict()
    state = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    about = asdict(how) | {"numbers": how.numbers.to_lists(), "objective": objective.state()}
    # One entry: with several, their order in the file would be random.
    save_file(state, path, metadata={"dnalm": json.dumps(about)})
    path.chmod(0o644)  # the library writes it for its owner alone


def load_tuned(folder: Path) -> Scorer:
    """Load a model that :func:`pipeline_lib.finetuning.tune.finetune` wrote, ready to score.

    Parameters
    ----------
    folder
        With ``config.json``, ``model.safetensors``, ``tokenizer.json`` and ``head.safetensors``.

    Raises
    ------
    InputError
        If the folder is no tuned model, or its head does not fit its encoder.
    """
    folder = Path(folder)
    state, about = _read_head(folder / HEAD)
    language_model, architecture = load_language_model(folder)
    target = Target.from_json(json.dumps(about["target"]))
    names = ("pooling", "dropout", "both_strands", "too_long", "precision")
    how = HowToScore(
        target=target,
        numbers=Scaler.from_lists(about["numbers"]),
        **{name: about[name] for name in names},
    )
    classifier = SequenceClassifier(
        language_model.encoder,
        target.outputs,
        how.pooling,
        how.dropout,
        numbers=how.number_count,
        causal=language_model.causal,
    )
    expected, found = classifier.head.weight.shape, state["weight"].shape
    if expected != found:
        raise InputError(
            f"the head has weights of shape {tuple(found)}",
            path=folder / HEAD,
            expected=f"{tuple(expected)}, by its metadata and config.json",
            remedy="give head and encoder of the same run",
        )
    classifier.head.load_state_dict(state)
    objective = restore_objective(target, about["objective"])
    return Scorer(
        classifier.to(preferred_device()),
        objective,
        how,
        folder / "tokenizer.json",
        architecture.input_length,
    )


def _read_head(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.exists():
        raise InputError(
            "is missing",
            path=path,
            expected="the head of a tuned model",
            remedy="give a folder `results/finetuning/MODEL/TASK/RUN/model`",
        )
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["dnalm"])
        return load_file(path), about
    except Exception as error:  # the library raises an exception of its own
        raise InputError(
            f"cannot be read as the head of a tuned model ({error})",
            path=path,
            remedy="tune the model again",
        ) from error
