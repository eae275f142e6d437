"""Tune a pretrained encoder to a task, or train the same encoder from random weights.

The second is the control: what it lacks is pretraining, and nothing else. Both keep what is best on
the validation examples; the test examples are scored once, at the end.
"""

import json
from functools import reduce
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.finetuning import Task
from pipeline_lib.files import atomic_directory, atomic_path, write_text
from pipeline_lib.finetuning.encoding import EncodedExamples, joined, numbers_of
from pipeline_lib.finetuning.examples import SPLITS, Target, read_examples
from pipeline_lib.finetuning.lora import add_low_rank, merge_low_rank
from pipeline_lib.finetuning.losses import Objective, make_objective
from pipeline_lib.finetuning.probe import Probe
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.scorer import HEAD, HowToScore, Scorer, load_tuned, save_head
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.pretraining.folder import load_language_model, save_model
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

__all__ = ["PREDICTION_SCHEMA", "Scorer", "finetune", "load_tuned"]

PREDICTION_SCHEMA = pa.schema(
    [("example", pa.int64()), ("split", pa.string()), ("scores", pa.list_(pa.float32()))]
)
CARD = """# Encoder tuned to {task}

A DNA language model that dnalm tuned to {aim}, starting from {start}.
`model.safetensors` holds the encoder, `head.safetensors` the head on top of it: a linear layer over
the pooling `{pooling}`. In Python, `pipeline_lib.finetuning.tune.load_tuned` loads both together.

- Method `{method}`, seed {seed}; kept is what was best on the validation examples
  ({measure}: {score:.4f}).
- Examples split by the protocol `{protocol}`.
"""
METHODS = {
    "full": "{epochs} epochs, of which number {best} was kept",
    "lora": "{epochs} epochs, of which number {best} was kept",
    "probe": "the encoder is as it was; of {epochs} penalties, {best:g} was kept",
}
NAMED = 5
"""So many names are told in the model card."""


def finetune(
    model: Path,
    examples: Path,
    directory: Path,
    settings: Task,
    *,
    init: str,
    seed: int,
    threads: int,
    embeddings: Path | None = None,
) -> None:
    """Train a head, and by the task's method the encoder; score validation and test examples.

    Writes ``model/`` (the encoder as a model folder, and ``head.safetensors``),
    ``metrics.jsonl`` (one line an epoch, or for ``method: probe`` a penalty) and
    ``predictions.parquet``: class probabilities, label probabilities, or numbers in the units of
    the target.

    Parameters
    ----------
    model
        Pretrained model folder; with ``scratch`` its architecture and tokenizer alone are used.
    examples
        ``examples.parquet`` of the task.
    directory
        Folder of the run.
    settings
        The task.
    init
        ``pretrained`` or ``scratch``.
    seed
        Seed of weights, dropout and the order of examples.
    threads
        CPU threads.
    embeddings
        For ``method: probe``, where to keep what the encoder gives; default: ``embeddings`` beside
        the folders of the model's tasks, ``directory/../../embeddings``.

    Raises
    ------
    InputError
        If an example is longer than the model's context, or the examples cannot be learnt from.
    TrainingError
        If the loss is not finite.
    """
    if init not in ("pretrained", "scratch"):
        raise ValueError(f"init is {init!r}; expected 'pretrained' or 'scratch'")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    language_model, architecture = _start(model, init)
    table, target = (data := read_examples(examples)).table, data.target
    numbers = Scaler.of(numbers_of(data.of("train").table))
    how = HowToScore.of(target, settings, architecture.dropout, numbers)
    encoded = {
        split: how.views(data.of(split).table, model / "tokenizer.json", architecture.input_length)
        for split in SPLITS
    }
    classifier = SequenceClassifier(
        language_model.encoder, target.outputs, settings.pooling, architecture.dropout,
        numbers=how.number_count, causal=language_model.causal,
    )  # fmt: skip
    objective = make_objective(target, encoded["train"][0].targets, settings)
    cache = embeddings or directory.parents[1] / "embeddings"
    learner = _learner(classifier, settings, objective, seed, cache)
    history = learner.fit(reduce(joined, encoded["train"]), *encoded["valid"])
    if settings.method == "lora":
        merge_low_rank(classifier.encoder)
    predictions = _predictions(learner, table, encoded)
    card = _card(settings, target, learner, init=init, seed=seed, epochs=len(history))
    with atomic_directory(directory / "model") as folder:
        save_model(folder, language_model.cpu(), architecture, model / "tokenizer.json", card=card)
        save_head(folder / HEAD, classifier, objective, how)
    write_text(directory / "metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in history))
    with atomic_path(directory / "predictions.parquet") as path:
        pq.write_table(predictions, path, compression="zstd")


def _start(model: Path, init: str) -> tuple[LanguageModel, AnyArchitecture]:
    """Return the pretrained model, or the same with random weights."""
    language_model, architecture = load_language_model(model)
    if init == "scratch":
        complements = complements_of(read_vocabulary(model / "tokenizer.json").words)
        vocab_size = language_model.encoder.vocab_size
        language_model = build_model(architecture, vocab_size, complements)
    return language_model, architecture


def _learner(
    classifier: SequenceClassifier, settings: Task, objective: Objective, seed: int, cache: Path
) -> Tuner | Probe:
    if settings.method == "probe":
        return Probe(classifier, settings, objective, cache=cache)
    if settings.method == "lora":
        add_low_rank(classifier.encoder, rank=settings.lora_rank, alpha=settings.lora_alpha)
    return Tuner(classifier, settings, objective, seed=seed)


def _predictions(
    learner: Tuner | Probe, table: pd.DataFrame, encoded: dict[str, list[EncodedExamples]]
) -> pa.Table:
    parts = []
    for split in ("valid", "test"):
        rows = table.loc[table["split"] == split, ["example", "split"]]
        parts.append(rows.assign(scores=list(learner.score(*encoded[split]))))
    ordered = pd.concat(parts).sort_values("example")
    return pa.Table.from_pandas(
        ordered, schema=PREDICTION_SCHEMA, preserve_index=False
    ).replace_schema_metadata()


def _card(
    settings: Task, target: Target, learner: Tuner | Probe, *, init: str, seed: int, epochs: int
) -> str:
    names = ", ".join(target.names[:NAMED]) + (", ..." if len(target.names) > NAMED else "")
    aims = {"class": "tell classes apart", "labels": "give labels", "numbers": "predict numbers"}
    best = learner.best_penalty if isinstance(learner, Probe) else learner.best_epoch
    kept = METHODS[settings.method].format(epochs=epochs, best=best)
    return CARD.format(
        task=settings.type.replace("_", " "),
        aim=f"{aims[target.kind]} ({names})",
        start="a pretrained model" if init == "pretrained" else "random weights",
        seed=seed,
        measure=learner.objective.measure.replace("_", " "),
        score=learner.best_score,
        **settings.model_dump(include={"pooling", "method", "protocol"}),
    ) + f"- Training: {kept}.\n"  # fmt: skip
