"""Tune a pretrained encoder to a task, or train the same encoder from random weights.

The second is the control: what it lacks is pretraining, and nothing else. Both keep the epoch
with the best AUROC on the validation examples; the test examples are scored once, at the end.
"""

import json
from functools import reduce
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.finetuning import Task
from pipeline_lib.files import atomic_directory, atomic_path, write_text
from pipeline_lib.finetuning.encoding import EncodedExamples, encode_examples, joined, mirrored
from pipeline_lib.finetuning.examples import SPLITS, read_examples
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.models.build import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.pretraining.folder import load_language_model, save_model
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

CLASSES = 2
PREDICTION_SCHEMA = pa.schema(
    [("example", pa.int64()), ("split", pa.string()), ("label", pa.int8()), ("score", pa.float64())]
)
CARD = """# Encoder tuned to {task}

A DNA language model tuned by dnalm to tell {task} from decoys, starting from {start}.
`model.safetensors` holds the encoder, `head.safetensors` the classifier on top of it: a linear
layer over the pooling `{pooling}`.

- Seed {seed}; {epochs} epochs, of which number {best} was the best on the validation examples
  (AUROC {auroc:.4f}) and was kept.
- Windows of {upstream} bases before and {downstream} after the codon, assembly {assembly}.
"""


def finetune(
    model: Path,
    examples: Path,
    directory: Path,
    settings: Task,
    *,
    init: str,
    seed: int,
    threads: int,
) -> None:
    """Train a classifier and write its scores for the validation and test examples.

    Writes ``model/`` (the encoder as a model folder, and ``head.safetensors``),
    ``metrics.jsonl`` (one line an epoch) and ``predictions.parquet``.

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

    Raises
    ------
    InputError
        If an example is longer than the model's context.
    TrainingError
        If the loss is not finite.
    """
    if init not in ("pretrained", "scratch"):
        raise ValueError(f"init is {init!r}; expected 'pretrained' or 'scratch'")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    language_model, architecture = load_language_model(model)
    if init == "scratch":
        complements = complements_of(read_vocabulary(model / "tokenizer.json").words)
        vocab_size = language_model.encoder.vocab_size
        language_model = build_model(architecture, vocab_size, complements)
    table = read_examples(examples)
    sides = [table, mirrored(table)] if settings.both_strands else [table]
    encoded = {
        split: [
            encode_examples(
                side[side["split"] == split],
                model / "tokenizer.json",
                context_length=architecture.input_length,
            )
            for side in sides
        ]
        for split in SPLITS
    }
    classifier = SequenceClassifier(
        language_model.encoder, CLASSES, settings.pooling, architecture.dropout,
        causal=language_model.causal,
    )  # fmt: skip
    tuner = Tuner(classifier, settings, seed=seed)
    history = tuner.fit(reduce(joined, encoded["train"]), *encoded["valid"])
    predictions = _predictions(tuner, table, encoded)
    card = _card(settings, tuner, init=init, seed=seed, epochs=len(history))
    with atomic_directory(directory / "model") as folder:
        save_model(folder, language_model.cpu(), architecture, model / "tokenizer.json", card=card)
        _save_head(folder / "head.safetensors", classifier, architecture, settings)
    write_text(directory / "metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in history))
    with atomic_path(directory / "predictions.parquet") as path:
        pq.write_table(predictions, path, compression="zstd")


def _card(settings: Task, tuner: Tuner, *, init: str, seed: int, epochs: int) -> str:
    return CARD.format(
        task=settings.type.replace("_", " "),
        start="a pretrained model" if init == "pretrained" else "random weights",
        epochs=epochs,
        best=tuner.best_epoch,
        auroc=tuner.best_score,
        seed=seed,
        **settings.model_dump(include={"pooling", "upstream", "downstream", "assembly"}),
    )


def _predictions(
    tuner: Tuner, table: pd.DataFrame, encoded: dict[str, list[EncodedExamples]]
) -> pa.Table:
    parts = []
    for split in ("valid", "test"):
        rows = table.loc[table["split"] == split, ["example", "split", "label"]]
        parts.append(rows.assign(score=tuner.score(*encoded[split])))
    joined = pd.concat(parts).sort_values("example")
    return pa.Table.from_pandas(
        joined, schema=PREDICTION_SCHEMA, preserve_index=False
    ).replace_schema_metadata()


def _save_head(
    path: Path, classifier: SequenceClassifier, architecture: AnyArchitecture, settings: Task
) -> None:
    state = {
        name: tensor.cpu().contiguous() for name, tensor in classifier.head.state_dict().items()
    }
    about = {"pooling": settings.pooling, "classes": CLASSES, "dropout": architecture.dropout}
    # One entry: with several, their order in the file would be random.
    save_file(state, path, metadata={"dnalm": json.dumps(about)})
