"""Tuned models as folders: what is saved of the head, and scores of new sequences."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.config.methods import SHORTEST
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.dense_encoding import encode_dense
from pipeline_lib.finetuning.encoding import EncodedExamples, encode_examples, mirrored, numbers_of
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.few_shot import room as room_of
from pipeline_lib.finetuning.few_shot import with_prefix
from pipeline_lib.finetuning.heads import AnyClassifier, make_classifier
from pipeline_lib.finetuning.losses import Objective, restore_objective
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.training import mean_scores, preferred_device
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.in_context import InContextClassifier
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
    prompt_tokens
        Learned vectors before the tokens (``method: prompt``).
    labels, shown, prefix
        For ``method: few_shot``: the token of each class, how many examples are shown, and the
        tokens before every example.
    pairs
        Whether examples are pairs of sequences; False in heads that do not say so.
    window, focus
        Bases of most training sequences, and the base that most are about (-1: the middle); 0 and
        -1 in heads that do not say so.
    """

    target: Target
    pooling: str
    dropout: float
    both_strands: bool
    too_long: str
    precision: str
    numbers: Scaler
    prompt_tokens: int = 0
    labels: tuple[int, ...] = ()
    shown: int = 0
    prefix: tuple[int, ...] = ()
    pairs: bool = False
    window: int = 0
    focus: int = -1

    @classmethod
    def of(
        cls, target: Target, settings: FinetuningSettings, dropout: float, numbers: Scaler
    ) -> "HowToScore":
        """Return what the settings of a task say of it."""
        values = settings.model_dump(include={"pooling", "both_strands", "too_long", "precision"})
        prompt_tokens = settings.prompt_tokens if settings.method == "prompt" else 0
        return cls(
            target=target,
            dropout=dropout,
            numbers=numbers,
            prompt_tokens=prompt_tokens,
            **values,
        )

    @property
    def number_count(self) -> int:
        """How many numbers are given with each sequence."""
        return len(self.numbers.mean)

    def classifier(self, language_model: LanguageModel, tokenizer: Path) -> AnyClassifier:
        """Return the encoder of a model with a head of random weights."""
        if self.labels:
            return InContextClassifier(language_model, self.labels)
        return make_classifier(
            language_model,
            self.target,
            tokenizer,
            pooling=self.pooling,
            dropout=self.dropout,
            numbers=self.number_count,
            prompt_tokens=self.prompt_tokens,
        )

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
        room = self._room(context_length)
        if self.target.dense:
            return [
                encode_dense(
                    side,
                    tokenizer,
                    self.target,
                    context_length=context_length,
                    too_long=self.too_long,
                    turned=side is not table,
                )
                for side in sides
            ]
        encoded = [
            encode_examples(
                side,
                tokenizer,
                context_length=room,
                too_long=self.too_long,
                scaler=self.numbers,
                taken=context_length - room,
            )
            for side in sides
        ]
        return [with_prefix(part, self.prefix) for part in encoded] if self.prefix else encoded

    def _room(self, context_length: int) -> int:
        """Return how many tokens are left for an example.

        Raises
        ------
        InputError
            If the prompt leaves none.
        """
        if self.labels:
            return room_of(context_length, self.shown)
        left = context_length - self.prompt_tokens
        if left < SHORTEST:
            raise InputError(
                f"`prompt_tokens` {self.prompt_tokens:,} leaves no room for a sequence in a "
                f"context of {context_length:,} tokens",
                remedy="lower `prompt_tokens`, or take a model with a larger `context_length`",
            )
        return left


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

    classifier: AnyClassifier
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
            in the order of ``target.names``; shape (sequences, outputs). Of targets along the
            sequence those of the first bin come first.

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
    path: Path, weights: Mapping[str, Tensor], objective: Objective, how: HowToScore
) -> None:
    """Write the head, and in its metadata whatever is needed to score sequences with it.

    Parameters
    ----------
    path
        ``head.safetensors``.
    weights
        Those of :func:`own_weights`.
    objective, how
        What besides decides about scores.
    """
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
    names = ("pooling", "dropout", "both_strands", "too_long", "precision", "prompt_tokens")
    how = HowToScore(
        target=target,
        numbers=Scaler.from_lists(about["numbers"]),
        labels=tuple(about["labels"]),
        shown=about["shown"],
        prefix=tuple(about["prefix"]),
        **{name: about[name] for name in ("pairs", "window", "focus") if name in about},
        **{name: about[name] for name in names},
    )
    classifier = how.classifier(language_model, folder / "tokenizer.json")
    own = own_weights(classifier)
    for name, weight in own.items():
        expected, found = tuple(weight.shape), tuple(state[name].shape) if name in state else ()
        if expected != found:
            raise InputError(
                f"the head has weights of shape {found}",
                path=folder / HEAD,
                where=name,
                expected=f"{expected}, by its metadata and config.json",
                remedy="give head and encoder of the same run",
            )
        weight.copy_(state[name])
    objective = restore_objective(target, about["objective"])
    return Scorer(
        classifier.to(preferred_device()),
        objective,
        how,
        folder / "tokenizer.json",
        architecture.input_length,
    )


def own_weights(classifier: AnyClassifier) -> dict[str, Tensor]:
    """Return what is learnt beside the language model, by name: the very tensors."""
    if isinstance(classifier, InContextClassifier):
        return {}
    if isinstance(classifier, SequenceClassifier):
        return classifier.own_weights()
    return {name: weight.data for name, weight in classifier.head.named_parameters()}


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
