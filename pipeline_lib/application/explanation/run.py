"""Explain the sequences of a file: numbers, logos, tracks, motifs and a page."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pipeline_lib.application.explanation.average import focus_of
from pipeline_lib.application.explanation.dependencies import Dependencies
from pipeline_lib.application.explanation.gradients import IntegratedGradients
from pipeline_lib.application.explanation.model import (
    Array,
    check_bases,
    is_tuned,
    load_output,
)
from pipeline_lib.application.explanation.motifs import read_motifs
from pipeline_lib.application.explanation.mutagenesis import importance, mutate, mutate_read
from pipeline_lib.application.explanation.output import Explained, write_folder
from pipeline_lib.application.explanation.settings import Settings, chosen_sequences
from pipeline_lib.application.identity import code_identity, file_identity, model_identity
from pipeline_lib.application.inputs import SEQUENCE
from pipeline_lib.application.parts import parts_of
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.files import atomic_directory
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.progress import progress_bar
from pipeline_lib.tokenizer.encode import SentenceEncoder

PART_BASES = 1_000
"""Bases of the sequences of a part, at least: a part is kept once it is done."""
ABOUT = "explain.json"


class Explainer(Protocol):
    """Explains one sequence after another."""

    measure: str

    def explain(self, row: pd.DataFrame) -> dict[str, Array]:
        """Return arrays of a table of one sequence: what differs by method."""


class _Mutagenesis:
    def __init__(self, measure: str, effects: Callable[[pd.DataFrame], tuple[float, Array]]):
        self.measure, self._effects = measure, effects

    def explain(self, row: pd.DataFrame) -> dict[str, Array]:
        value, effects = self._effects(row)
        bases = importance(effects, row[SEQUENCE].iloc[0])
        return {"value": np.array([value]), "importance": bases, "effects": effects}


class _Gradients:
    def __init__(self, measure: str, gradients: IntegratedGradients) -> None:
        self.measure, self._gradients = measure, gradients

    def explain(self, row: pd.DataFrame) -> dict[str, Array]:
        found = self._gradients.attribute(row)
        about = [found.baseline, found.error, found.steps]
        complete = found.complete(self._gradients.tolerance)
        path = np.array([*about, complete], dtype=np.float64)
        return {"value": np.array([found.value]), "importance": found.bases, "path": path}


class _Dependencies:
    def __init__(self, dependencies: Dependencies) -> None:
        self.measure = "change of log2-odds"
        self._dependencies = dependencies

    def explain(self, row: pd.DataFrame) -> dict[str, Array]:
        found = self._dependencies.map(row)
        # How far a change of the base moves all others, on average.
        known = np.maximum((~np.isnan(found)).sum(axis=1), 1)
        bases = np.nansum(found, axis=1) / known
        return {"value": np.array([bases.mean()]), "importance": bases, "map": found}


def explain(
    source: Path,
    model: Path,
    output: Path,
    settings: Settings,
    *,
    genome: Path | None = None,
    motifs: Path | None = None,
    sequence_column: str = SEQUENCE,
) -> None:
    """Explain what a model says of the sequences of a file.

    Parameters
    ----------
    source
        See :func:`pipeline_lib.application.inputs.read_inputs`.
    model
        Folder of a tuned or, for mutagenesis and dependencies, of a pretrained model.
    output
        Folder to write. It appears when all of it is written; until then what is done is kept
        beside it, and a run that was killed goes on there.
    settings
        What is asked for.
    genome
        FASTA file or prepared genome: needed for BED, and for bigWig.
    motifs
        File of motifs that stretches are compared with.
    sequence_column
        Of a table.

    Raises
    ------
    InputError
        If an input cannot be used, or the folder holds something else.
    """
    _check_folder(output)
    table = chosen_sequences(source, genome, settings, sequence_column)
    check_bases(table, source)
    focus = focus_of(table, settings.focus)
    known = read_motifs(motifs) if motifs is not None else []
    identity: dict[str, Any] = {
        "settings": settings.identity() | {"sequence_column": sequence_column},
        "model": model_identity(model),
        "input": file_identity(source),
        "sequences": _checksum(table),
        "code": code_identity(),
    }
    explainer = make_explainer(model, settings)
    with parts_of(output, identity) as parts:
        found: list[dict[str, Array]] = []
        with progress_bar("explain", total=len(table), unit="sequence") as bar:
            for number, rows in enumerate(batches(table[SEQUENCE])):
                arrays = parts.get(number, lambda rows=rows: _part(explainer, table, rows))  # type: ignore[misc]
                found += _taken_apart(arrays, len(rows))
                bar.update(len(rows))
        with atomic_directory(output) as folder:
            write_folder(
                folder,
                Explained(table, found, explainer.measure, settings, focus),
                genome=genome,
                motifs=known,
                about=identity,
            )


def make_explainer(model: Path, settings: Settings) -> Explainer:
    """Return what explains sequences, by the method and the kind of the model.

    Raises
    ------
    InputError
        If the method does not fit the model.
    """
    if is_tuned(model) and settings.method != "dependencies":
        tuned = load_output(model, settings.target)
        if settings.method == "mutagenesis":
            return _Mutagenesis(tuned.measure, lambda row: mutate(tuned, row))
        gradients = IntegratedGradients(
            tuned,
            baseline=settings.baseline,
            steps=settings.steps,
            tolerance=settings.tolerance,
            seed=settings.seed,
        )
        return _Gradients(tuned.measure, gradients)
    if is_tuned(model) or settings.method == "gradients":
        tuned_one = is_tuned(model)
        raise InputError(
            f"`--method {settings.method}` with a "
            + ("tuned model, which predicts no bases" if tuned_one else "pretrained model"),
            path=model,
            expected="a pretrained model" if tuned_one else "a tuned model, whose output it is of",
            remedy="give `results/pretraining/MODEL/model`"
            if tuned_one
            else "give `results/finetuning/MODEL/TASK/RUN/model`, or take `--method mutagenesis`",
        )
    if settings.target is not None:
        raise InputError(
            f"`--target {settings.target}` with a pretrained model, which has no outputs",
            path=model,
            remedy="leave `--target` out, or give a tuned model",
        )
    reader = load_reader(model, settings)
    if settings.method == "dependencies":
        return _Dependencies(Dependencies(reader, settings.rounds, settings.seed))
    name = "log2-likelihood" if reader.network.causal else "log2-pseudo-likelihood"
    return _Mutagenesis(name, lambda row: mutate_read(reader, row))


def load_reader(model: Path, settings: Settings) -> ModelReader:
    """Return a language model with its tokenizer."""
    network, architecture = load_language_model(model)
    return ModelReader(
        network,
        SentenceEncoder(Path(model) / "tokenizer.json"),
        architecture.input_length,
        max(settings.rounds, 2),
        settings.seed,
    )


def batches(sequences: Sequence[str] | pd.Series) -> list[range]:
    """Return the sequences of each part: as many as have some bases together."""
    found, first, bases = [], 0, 0
    for number, text in enumerate(sequences):
        bases += len(text)
        if bases >= PART_BASES:
            found.append(range(first, number + 1))
            first, bases = number + 1, 0
    if first < len(sequences):
        found.append(range(first, len(sequences)))
    return found


def _part(explainer: Explainer, table: pd.DataFrame, rows: range) -> dict[str, Any]:
    arrays = {}
    for place, row in enumerate(rows):
        for name, values in explainer.explain(table.iloc[[row]]).items():
            arrays[f"{place}:{name}"] = values
    return arrays


def _taken_apart(arrays: dict[str, Any], count: int) -> list[dict[str, Array]]:
    found: list[dict[str, Array]] = [{} for _ in range(count)]
    for key, values in arrays.items():
        place, _, name = key.partition(":")
        found[int(place)][name] = values
    return found


def _checksum(table: pd.DataFrame) -> str:
    """Return what tells sequences apart that come from one BED file and several genomes."""
    return hashlib.sha256("\n".join(table[SEQUENCE]).encode()).hexdigest()


def _check_folder(output: Path) -> None:
    """Refuse a folder that is not one of explanations: what it holds would be lost."""
    if output.exists() and not (output / ABOUT).exists():
        if output.is_dir() and not any(output.iterdir()):
            return
        raise InputError(
            "exists, and holds something else than explanations",
            path=output,
            expected="a new folder, or one of an earlier run, which is replaced",
            remedy="give another folder with `-o`",
        )
