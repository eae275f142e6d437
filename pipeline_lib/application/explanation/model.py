"""One number that a tuned model says of a sequence: the one that is explained."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.losses import Labels as LabelObjective
from pipeline_lib.finetuning.losses import Measurements, SeveralClasses
from pipeline_lib.finetuning.scorer import HEAD, Scorer, load_tuned
from pipeline_lib.finetuning.training import scoring_batches
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.pretraining.losses import autocast

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TunedOutput:
    """An output of a tuned model: log-odds of a class or a label, or a number in its own units.

    Log-odds are natural logarithms. Of several strands they are averaged: what is explained is
    then a sum of what is explained of either.

    Attributes
    ----------
    scorer
        The model.
    index
        Of the output.
    """

    scorer: Scorer
    index: int

    @property
    def name(self) -> str:
        """What is predicted."""
        return self.scorer.target.names[self.index]

    @property
    def measure(self) -> str:
        """What the number is."""
        if self.scorer.target.kind == "numbers":
            return self.name
        return f"log-odds of {self.name}"

    def values(self, table: pd.DataFrame) -> Array:
        """Return the number for each sequence of a table; see :meth:`Scorer.score`."""
        views = self.views(table)
        return np.asarray(np.mean([self._values(view) for view in views], axis=0))

    def views(self, table: pd.DataFrame) -> list[EncodedExamples]:
        """Return the sequences as tokens, of one strand or of both."""
        scorer = self.scorer
        known = table.drop(columns="target", errors="ignore")
        return scorer.how.views(known, scorer.tokenizer, scorer.context_length)

    @torch.inference_mode()
    def _values(self, examples: EncodedExamples) -> Array:
        classifier = self.scorer.classifier.eval()
        device = next(classifier.parameters()).device
        found = np.empty(len(examples))
        for chosen in scoring_batches(examples.lengths):
            with autocast(self.scorer.how.precision, device):
                outputs = classifier(*examples.batch(chosen, device))
            found[chosen] = self.of_outputs(outputs).cpu().numpy()
        return found

    def of_outputs(self, outputs: Tensor) -> Tensor:
        """Return the number of what the head gives; (batch,) of (batch, outputs), float64."""
        outputs, objective = outputs.double(), self.scorer.objective
        if isinstance(objective, Measurements):
            scaler = objective.scaler
            number: Tensor = outputs[:, self.index] * float(scaler.deviation[self.index])
            return number + float(scaler.mean[self.index])
        assert isinstance(objective, SeveralClasses | LabelObjective)
        # As in the scores, the odds by which training was weighed are undone.
        shifted = outputs - torch.from_numpy(objective.weights).to(outputs.device).double().log()
        own = shifted[:, self.index]
        if isinstance(objective, LabelObjective):
            return own
        others = [column for column in range(shifted.shape[1]) if column != self.index]
        found: Tensor = own - shifted[:, others].logsumexp(dim=1)
        return found


def is_tuned(folder: Path) -> bool:
    """Tell whether a model folder has a head, beside its language model."""
    return (Path(folder) / HEAD).exists()


def load_output(folder: Path, output: str | None = None) -> TunedOutput:
    """Load a tuned model, and choose which of its outputs is explained.

    Parameters
    ----------
    folder
        As :func:`load_tuned` reads it.
    output
        Name of a class, a label or a number; if None the second class (of two the one that is
        looked for), or the first label or number.

    Raises
    ------
    InputError
        If there is no such output, or the targets lie along the sequence.
    """
    scorer = load_tuned(folder)
    target = scorer.target
    if target.dense:
        raise InputError(
            f"the model predicts {target.kind} along the sequence, {target.outputs:,} numbers",
            path=folder,
            expected="a model tuned to classes, labels or numbers of whole sequences",
            remedy="give such a model; `dnalm annotate` shows what this one predicts",
        )
    if output is None:
        return TunedOutput(scorer, 1 if target.kind == "class" else 0)
    if output not in target.names:
        raise InputError(
            f"there is no output {output!r}; the model has {some(target.names, 6)}",
            path=folder,
            expected=f"one of them (the nearest: {nearest(output, target.names)})",
            remedy="correct `--target`, or leave it out",
        )
    return TunedOutput(scorer, target.names.index(output))


def check_bases(table: pd.DataFrame, path: Path) -> None:
    """Refuse sequences with other letters than A, C, G and T: they have no three alternatives.

    Raises
    ------
    InputError
        Naming the first such sequence and letter.
    """
    for name, sequence in zip(table["name"], table["sequence"], strict=True):
        if strange := sequence.translate(str.maketrans("", "", "ACGT")):
            raise InputError(
                f"base {sequence.index(strange[0]) + 1:,} is {strange[0]!r}",
                path=path,
                where=f"sequence {name!r}",
                expected="A, C, G and T alone: what a base changes to is explained",
                remedy="shorten the sequence, or leave it out",
            )
