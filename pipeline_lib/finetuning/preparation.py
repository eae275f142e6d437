"""What a tuning run begins with: a model with a head, examples as tokens, and what trains it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import torch

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.finetuning import Task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples, joined, numbers_of
from pipeline_lib.finetuning.examples import SPLITS, Examples
from pipeline_lib.finetuning.few_shot import Demonstrations, label_tokens
from pipeline_lib.finetuning.heads import AnyClassifier, set_bias
from pipeline_lib.finetuning.lora import add_low_rank
from pipeline_lib.finetuning.losses import Objective, make_objective
from pipeline_lib.finetuning.probe import Probe
from pipeline_lib.finetuning.resume import Saved
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.scorer import HowToScore
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.models.in_context import InContextClassifier
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

Learner = Tuner | Probe
ALONG = ("full", "lora")
"""Methods for targets along the sequence."""


@dataclass(frozen=True)
class Prepared:
    """A run that has not begun.

    Attributes
    ----------
    language_model, architecture
        Pretrained, or the same with random weights.
    classifier
        Its encoder with a head.
    objective
        What is learnt.
    how
        What besides weights decides about scores.
    train
        Training examples: of both strands, if they are read from both.
    scored
        The other splits, each as one strand or both show it.
    """

    language_model: LanguageModel
    architecture: AnyArchitecture
    classifier: AnyClassifier
    objective: Objective
    how: HowToScore
    train: EncodedExamples
    scored: dict[str, list[EncodedExamples]]


def prepare(
    model: Path,
    data: Examples,
    settings: Task,
    *,
    init: str,
    seed: int,
    splits: Collection[str] = SPLITS,
) -> Prepared:
    """Load a model and encode examples.

    Parameters
    ----------
    model
        Pretrained model folder.
    data
        Examples of the task.
    settings
        The task.
    init
        ``pretrained`` or ``scratch``.
    seed
        Seed of weights and of what is shown in prompts.
    splits
        Those to encode, ``train`` among them.

    Raises
    ------
    InputError
        If an example is longer than the model's context, or the method is not one for this model
        or for these examples.
    """
    torch.manual_seed(seed)
    language_model, architecture = _start(model, init)
    tokenizer, target = model / "tokenizer.json", data.target
    _check_method(settings, data)
    known = data.of("train").table
    numbers = Scaler.of(numbers_of(known))
    how = HowToScore.of(target, settings, architecture.dropout, numbers)
    how = replace(
        how,
        pairs=bool((data.table["partner"] != "").any()),
        window=int(known["sequence"].str.len().mode()[0]),
        focus=int(known["focus"].mode()[0]),
    )
    if settings.method == "few_shot":
        labels = label_tokens(read_vocabulary(tokenizer), target.outputs)
        how = replace(how, labels=labels, shown=settings.demonstrations * target.outputs)
    classifier = how.classifier(language_model, tokenizer)
    length = architecture.input_length
    views = how.views(data.of("train").table, tokenizer, length)
    objective = make_objective(target, views[0].targets, settings)
    set_bias(classifier, objective)
    train = reduce(joined, views)
    if settings.method == "few_shot":
        shown = Demonstrations(train, len(views), how.labels, settings.demonstrations, seed)
        how = replace(how, prefix=shown.prefix())
        train = shown.prompts(settings.tuning_prompts)
    scored = {
        split: how.views(data.of(split).table, tokenizer, length)
        for split in splits
        if split != "train"
    }
    return Prepared(language_model, architecture, classifier, objective, how, train, scored)


def make_learner(
    prepared: Prepared,
    settings: Task,
    seed: int,
    *,
    cache: Path,
    saved: Saved | None = None,
    stopped: Callable[[], int] = lambda: 0,
) -> Learner:
    """Return what trains the model of a run by the method of its settings.

    Parameters
    ----------
    prepared
        The run.
    settings
        The task.
    seed
        Seed of the order of examples.
    cache
        For ``method: probe``, where to keep what the encoder gives.
    saved, stopped
        See :class:`pipeline_lib.finetuning.training.Tuner`.
    """
    classifier, objective = prepared.classifier, prepared.objective
    if settings.method == "probe":
        assert isinstance(classifier, SequenceClassifier)
        return Probe(classifier, settings, objective, cache=cache)
    if settings.method == "lora":
        assert not isinstance(classifier, InContextClassifier)
        add_low_rank(classifier.encoder, rank=settings.lora_rank, alpha=settings.lora_alpha)
    return Tuner(classifier, settings, objective, seed=seed, saved=saved, stopped=stopped)


def _start(model: Path, init: str) -> tuple[LanguageModel, AnyArchitecture]:
    """Return the pretrained model, or the same with random weights."""
    language_model, architecture = load_language_model(model)
    if init == "scratch":
        complements = complements_of(read_vocabulary(model / "tokenizer.json").words)
        vocab_size = language_model.encoder.vocab_size
        language_model = build_model(architecture, vocab_size, complements)
    return language_model, architecture


def _check_method(settings: Task, data: Examples) -> None:
    if data.target.dense and settings.method not in ALONG:
        raise InputError(
            f"`method: {settings.method}` is not offered for targets along the sequence",
            remedy="set `method: full` or `method: lora` for the task",
        )
    if settings.method != "few_shot":
        return
    if data.target.kind != "class":
        raise InputError(
            f"`method: few_shot` for a target of kind {data.target.kind!r}",
            expected="classes, each of which a token stands for",
            remedy="write another `method` for the task",
        )
    if numbers_of(data.of("train").table).shape[1]:
        raise InputError(
            "`method: few_shot`, but numbers are given with each sequence",
            expected="sequences alone: a prompt has no place for numbers",
            remedy="write another `method`, or leave out `number_columns`",
        )
