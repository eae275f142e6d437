"""Tune a pretrained encoder to a task, or train the same encoder from random weights.

The second is the control: what it lacks is pretraining, and nothing else. Both keep what is best on
the validation examples; the test examples are scored once, at the end.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from pipeline_lib.config.finetuning import Task
from pipeline_lib.config.launching import WITHOUT_EFFECT
from pipeline_lib.files import atomic_directory, atomic_path, checksum, write_text
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.examples import Target, read_examples
from pipeline_lib.finetuning.lora import merge_low_rank
from pipeline_lib.finetuning.preparation import Learner, Prepared, make_learner, prepare
from pipeline_lib.finetuning.probe import Probe
from pipeline_lib.finetuning.resume import Saved
from pipeline_lib.finetuning.scorer import HEAD, Scorer, load_tuned, own_weights, save_head
from pipeline_lib.models.prompt import remove_prompt
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.stopping import stop_signals

__all__ = ["PREDICTION_SCHEMA", "Scorer", "finetune", "load_tuned"]

PREDICTION_SCHEMA = pa.schema(
    [("example", pa.int64()), ("split", pa.string()), ("scores", pa.list_(pa.float32()))]
)
CARD = """# Encoder tuned to {task}

A DNA language model that dnalm tuned to {aim}, starting from {start}.
`model.safetensors` holds the encoder, `head.safetensors` {head}.
In Python, `pipeline_lib.finetuning.tune.load_tuned` loads both together.

- Method `{method}`, seed {seed}; kept is what was best on the validation examples
  ({measure}: {score:.4f}).
- Examples split by the protocol `{protocol}`.
"""
TUNED = "{epochs} epochs, of which number {best} was kept"
METHODS = {
    "full": TUNED,
    "lora": TUNED,
    "prompt": f"the encoder is as it was; {TUNED}",
    "few_shot": TUNED,
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

    Interrupted and called again, it goes on from its last state in ``directory/checkpoints``, and
    ends with the same weights, bit for bit on a CPU with as many threads.

    Raises
    ------
    InputError
        If an example is longer than the model's context, or the examples cannot be learnt from.
    TrainingError
        If the loss is not finite.
    Stopped
        After a signal to stop, once the state of the run is saved.
    """
    if init not in ("pretrained", "scratch"):
        raise ValueError(f"init is {init!r}; expected 'pretrained' or 'scratch'")
    torch.set_num_threads(threads)
    data = read_examples(examples)
    prepared = prepare(model, data, settings, init=init, seed=seed)
    cache = embeddings or directory.parents[1] / "embeddings"
    run = _fingerprint(model, examples, settings, init, seed)
    with _kept(directory / "checkpoints", run, settings) as (saved, stopped):
        learner = make_learner(prepared, settings, seed, cache=cache, saved=saved, stopped=stopped)
        history = learner.fit(prepared.train, *prepared.scored["valid"])
        if settings.method == "lora":
            merge_low_rank(prepared.language_model.encoder)
        predictions = _predictions(learner, data.table, prepared.scored)
    card = _card(settings, data.target, learner, init=init, seed=seed, epochs=len(history))
    with atomic_directory(directory / "model") as folder:
        _save(folder, prepared, model / "tokenizer.json", card)
    write_text(directory / "metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in history))
    with atomic_path(directory / "predictions.parquet") as path:
        pq.write_table(predictions, path, compression="zstd")
    if saved is not None:
        saved.remove()


@contextmanager
def _kept(
    checkpoints: Path, run: str, settings: Task
) -> Iterator[tuple[Saved | None, Callable[[], int]]]:
    """Yield where the state of a run is kept, and what tells of signals to stop.

    A probe is fitted in one go: a signal ends it at once.
    """
    if settings.method == "probe":
        yield None, lambda: 0
        return
    with stop_signals() as stopped:
        yield Saved(checkpoints, run), stopped


def _fingerprint(model: Path, examples: Path, settings: Task, init: str, seed: int) -> str:
    """Return a fingerprint of all that decides about the weights of a run."""
    others = {*WITHOUT_EFFECT, "grid", "seeds"}
    inputs = [checksum(model / "model.safetensors"), checksum(examples)]
    parts = [settings.model_dump(mode="json", exclude=others), inputs, init, seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _save(folder: Path, prepared: Prepared, tokenizer: Path, card: str) -> None:
    """Write encoder and head."""
    model = prepared.language_model.cpu()
    weights = own_weights(prepared.classifier)
    if prepared.how.prompt_tokens:
        remove_prompt(model.encoder)
    save_model(folder, model, prepared.architecture, tokenizer, card=card)
    save_head(folder / HEAD, weights, prepared.objective, prepared.how)


def _predictions(
    learner: Learner, table: pd.DataFrame, encoded: dict[str, list[EncodedExamples]]
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
    settings: Task, target: Target, learner: Learner, *, init: str, seed: int, epochs: int
) -> str:
    names = ", ".join(target.names[:NAMED]) + (", ..." if len(target.names) > NAMED else "")
    aims = {
        "class": "tell classes apart", "labels": "give labels", "numbers": "predict numbers",
        "bases": "tell what each base is", "tracks": "predict numbers along the sequence",
    }  # fmt: skip
    best = learner.best_penalty if isinstance(learner, Probe) else learner.best_epoch
    kept = METHODS[settings.method].format(epochs=epochs, best=best)
    return CARD.format(
        task=settings.type.replace("_", " "),
        aim=f"{aims[target.kind]} ({names})",
        start="a pretrained model" if init == "pretrained" else "random weights",
        seed=seed,
        measure=learner.objective.measure.replace("_", " "),
        score=learner.best_score,
        head=_head_in_words(settings, target),
        **settings.model_dump(include={"method", "protocol"}),
    ) + f"- Training: {kept}.\n"  # fmt: skip


def _head_in_words(settings: Task, target: Target) -> str:
    if settings.method == "few_shot":
        return "the prompt: tokens that show examples with their classes"
    place = "every token" if target.dense else f"the pooling `{settings.pooling}`"
    more = f", and {settings.prompt_tokens} vectors before the tokens"
    return f"a linear layer over {place}" + (more if settings.method == "prompt" else "")
