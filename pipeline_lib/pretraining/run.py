"""Pretraining from shards to a model folder, continuing where an earlier attempt stopped."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, checksum, write_text
from pipeline_lib.models.build import build_model
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.checkpoints import Checkpoints, fingerprint
from pipeline_lib.pretraining.data import Samples
from pipeline_lib.pretraining.folder import how_to_load, save_model
from pipeline_lib.pretraining.loop import Training, train
from pipeline_lib.pretraining.memory import check_memory, memory_errors
from pipeline_lib.pretraining.objective import make_objective
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead
from pipeline_lib.pretraining.stream import Stream
from pipeline_lib.provenance import provenance
from pipeline_lib.shards.reader import Shards
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

FAMILIES = {
    "bert": "BERT",
    "bigbird": "BigBird",
    "modernbert": "ModernBERT",
    "albert": "ALBERT",
    "gpt2": "GPT",
    "hyena": "HyenaDNA",
}
CARD = """# {name}

A DNA language model: a {family} of {layers} layers, {width} wide, with {parameters:,} parameters
and a context of {length:,} tokens.

{loading}

## Training

Trained by {objective} on corpus `{corpus}` with tokenizer `{tokenizer}`: {steps:,} steps of
{batch_size} sequences, {passes:.2f} passes over the training samples. The weights are those of the
best validation: {best:.4f} bits per base of the predicted tokens, on held-out contigs.

## Limits

{measure} Sequence outside of the training species was not seen. See `config.yaml` beside this
folder for every setting, version and checksum.
"""

# Settings that change what is written, not what is learnt.
WITHOUT_EFFECT = {"log_every", "checkpoint_every", "keep_checkpoints"}


def pretrain(
    train_shards: Path,
    valid_shards: Path,
    tokenizer: Path,
    directory: Path,
    settings: Model,
    architecture: AnyArchitecture,
    *,
    name: str,
    seed: int,
    threads: int,
) -> None:
    """Train a language model and write its folder.

    Writes ``model/``, ``metrics.jsonl`` and ``config.yaml`` to ``directory``; while it runs,
    checkpoints and metrics are in ``directory/checkpoints``. Interrupted at any moment and called
    again, it ends with the same weights, bit for bit on a CPU with as many threads.

    Parameters
    ----------
    train_shards, valid_shards
        Folders of shards.
    tokenizer
        ``tokenizer.json`` that the shards were written with.
    name
        Name of the model.
    threads
        CPU threads to compute with.

    Raises
    ------
    InputError
        If shards and tokenizer do not belong together.
    TrainingError
        If the loss is not finite, or a checkpoint cannot be written.
    """
    # 1. The machine: all cores given, and no slow arithmetic on numbers near zero.
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    # 2. The data, and what the run is: checkpoints of another run are not used.
    vocabulary = read_vocabulary(tokenizer)
    length = architecture.input_length
    stream = Stream(train_shards, vocabulary, settings, length, seed)
    validation = Samples(valid_shards, vocabulary, length, seed)
    _check_vocabulary(stream.samples, tokenizer, len(vocabulary))
    inputs: dict[str, str | Path] = {
        "train": train_shards / "manifest.json",
        "valid": valid_shards / "manifest.json",
        "tokenizer": tokenizer,
    }
    run = fingerprint(
        settings=settings.model_dump(mode="json", exclude=WITHOUT_EFFECT),
        architecture=architecture.model_dump(mode="json"),
        data=[_data_checksums(shards) for shards in (train_shards, valid_shards)],
        tokenizer=checksum(tokenizer),
        seed=seed,
    )

    # 3. The model, fresh or from a checkpoint.
    needed = check_memory(
        architecture, len(vocabulary), settings, batch_size=settings.batch_size, device=device
    )
    model = build_model(architecture, len(vocabulary), complements_of(vocabulary.words))
    if isinstance(model, MaskedLanguageModel):
        model.start_from_frequencies(torch.from_numpy(_count_tokens(train_shards, len(vocabulary))))
    width, std = model.encoder.width, architecture.init_std
    training = Training(
        model=model.to(device),
        settings=settings,
        objective=make_objective(settings, vocabulary, model, context_length=length, seed=seed),
        stream=stream,
        validation=validation,
        checkpoints=Checkpoints(directory / "checkpoints", run, settings.keep_checkpoints),
        device=device,
        order=SentenceOrderHead(width, std).to(device) if settings.sentence_order else None,
    )
    training.resume()

    # 4. Training, and the weights that were best on held-out sequence.
    with memory_errors(needed):
        train(training)
    model.load_state_dict(training.best_weights)

    # 5. The results.
    made_by = provenance(settings.model_dump(mode="json"), inputs=inputs, seed=seed)
    resolved = {"name": name, "architecture": architecture.model_dump(mode="json"), **made_by}
    write_text(directory / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
    with atomic_path(directory / "metrics.jsonl") as temporary:
        shutil.copyfile(training.metrics, temporary)
    card = _card(name, settings, architecture, training)
    save_model(directory / "model", model.cpu(), architecture, tokenizer, card=card)


def _check_vocabulary(samples: Samples, tokenizer: Path, size: int) -> None:
    if samples.vocab_size != size:
        raise InputError(
            f"the tokenizer has {size:,} tokens, the shards were written with one of "
            f"{samples.vocab_size:,}",
            path=tokenizer,
            remedy="make the shards again with this tokenizer: `snakemake --cores 2 shards`",
        )


def _data_checksums(shards: Path) -> list[str]:
    return [part["sha256"] for part in Shards(shards).manifest["parts"]]


def _count_tokens(shards: Path, size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    reader, counts = Shards(shards), np.zeros(size, dtype=np.int64)
    for number in range(len(reader.parts)):
        counts += np.bincount(reader.part(number)[0], minlength=size)
    return counts


def _card(name: str, settings: Model, shape: AnyArchitecture, training: Training) -> str:
    last = [json.loads(line) for line in training.metrics.read_text().splitlines()]
    best = min((line["valid_bits_per_base"] for line in last if "valid_loss" in line), default=0.0)
    parameters = sum(parameter.numel() for parameter in training.model.parameters())
    passes = training.step * settings.batch_size / len(training.stream.samples)
    return CARD.format(
        name=name,
        family=FAMILIES[shape.family],
        layers=shape.layers,
        width=shape.width,
        parameters=parameters,
        length=shape.input_length,
        loading=how_to_load(shape),
        objective=(
            "prediction of the next token"
            if training.model.causal
            else f"masked language modelling ({settings.mask_share:.0%} of the tokens)"
        ),
        corpus=settings.corpus,
        tokenizer=settings.tokenizer,
        steps=training.step,
        batch_size=settings.batch_size,
        passes=passes,
        best=best,
        measure=(
            "The figure is a likelihood of tokens, each predicted from those before it in its "
            "input."
            if training.model.causal
            else "The figure is a pseudo-likelihood, not a likelihood: a masked model sees both "
            "sides of a token."
        ),
    )
