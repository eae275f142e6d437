"""Pretraining from shards to a model folder, continuing where an earlier attempt stopped."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from pipeline_lib.config import launching
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, checksum, write_text
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.flops import training_flops
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.card import model_card
from pipeline_lib.pretraining.checkpoints import Checkpoints, fingerprint
from pipeline_lib.pretraining.data import Samples
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.pretraining.loop import train
from pipeline_lib.pretraining.losses import Trained
from pipeline_lib.pretraining.memory import plan_memory
from pipeline_lib.pretraining.meter import Journal, Meter
from pipeline_lib.pretraining.mixture import Mixture
from pipeline_lib.pretraining.objective import make_objective
from pipeline_lib.pretraining.parallel import Spread
from pipeline_lib.pretraining.ranks import Ranks, joined
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead
from pipeline_lib.pretraining.stream import Stream
from pipeline_lib.pretraining.trackers import Trackers
from pipeline_lib.pretraining.training import Training
from pipeline_lib.provenance import provenance
from pipeline_lib.shards.reader import Shards
from pipeline_lib.stopping import stop_signals
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

# Settings that change what is written, or how it is carried out, not what is learnt.
WITHOUT_EFFECT = {
    "log_every", "checkpoint_every", "keep_checkpoints", "trackers", "accumulation",
    *launching.WITHOUT_EFFECT,
}  # fmt: skip


def pretrain(
    train_shards: Sequence[Path],
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
    again, it ends with the same weights, bit for bit on a CPU with as many threads and processes.

    Called in several processes at once, as ``torchrun`` or a launcher of ours does, they share
    each batch. The order of samples does not depend on their number.

    Parameters
    ----------
    train_shards
        Folders of shards, in the order of ``settings.sources``.
    valid_shards
        Folder of held-out shards.
    tokenizer
        ``tokenizer.json`` that the shards were written with.
    name
        Name of the model.
    threads
        CPU threads of this process.

    Raises
    ------
    InputError
        If shards and tokenizer do not belong together.
    TrainingError
        If the loss stays not finite, or a checkpoint cannot be written.
    Stopped
        After a signal to stop, once a checkpoint is written.
    """
    # 1. The machine: all cores given, and no slow arithmetic on numbers near zero.
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    with stop_signals(), joined(settings.stall_minutes) as ranks:
        training, meter, journal = _prepare(
            train_shards, valid_shards, tokenizer, directory, settings, architecture,
            name=name, seed=seed, ranks=ranks,
        )  # fmt: skip

        # 4. Training, and the weights that were best on held-out sequence.
        train(training, meter, journal)
        journal.close()
        model = _best_model(training, architecture, tokenizer)

        # 5. The results.
        if ranks.first:
            made_by = provenance(
                settings.model_dump(mode="json"),
                inputs={
                    **{f"train {k}": s / "manifest.json" for k, s in enumerate(train_shards)},
                    "valid": valid_shards / "manifest.json",
                    "tokenizer": tokenizer,
                },
                seed=seed,
            )
            shape = architecture.model_dump(mode="json")
            resolved = {"name": name, "architecture": shape, **made_by}
            write_text(directory / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
            with atomic_path(directory / "metrics.jsonl") as temporary:
                shutil.copyfile(training.metrics, temporary)
            card = model_card(name, settings, architecture, training, model)
            save_model(directory / "model", model, architecture, tokenizer, card=card)
        ranks.wait()


def _prepare(
    train_shards: Sequence[Path],
    valid_shards: Path,
    tokenizer: Path,
    directory: Path,
    settings: Model,
    architecture: AnyArchitecture,
    *,
    name: str,
    seed: int,
    ranks: Ranks,
) -> tuple[Training, Meter, Journal]:
    """Return a run that is ready to begin or to go on, and what its figures are written with."""
    # 2. The data, and what the run is: checkpoints of another run are not used.
    vocabulary, length = read_vocabulary(tokenizer), architecture.input_length
    weights = list(settings.sources.values())
    stream = Stream(train_shards, vocabulary, settings, length, seed, weights=weights, ranks=ranks)
    if min(stage.batch_size for stage in stream.stages) < ranks.count:
        raise InputError(
            f"a batch of {settings.batch_size} inputs for {ranks.count} processes",
            where="pretraining.models.*.batch_size",
            expected="at least one input for each process",
            remedy="raise `batch_size`, or use fewer GPUs",
        )
    _check_vocabulary(stream.samples, tokenizer, len(vocabulary))
    run = fingerprint(
        settings=settings.model_dump(mode="json", exclude=WITHOUT_EFFECT),
        architecture=architecture.model_dump(mode="json"),
        data=[_data_checksums(shards) for shards in (*train_shards, valid_shards)],
        tokenizer=checksum(tokenizer),
        seed=seed,
    )

    # 3. The model, fresh or from a checkpoint.
    plan = plan_memory(architecture, len(vocabulary), settings, ranks=ranks)
    torch.manual_seed(seed)
    model = build_model(architecture, len(vocabulary), complements_of(vocabulary.words))
    if isinstance(model, MaskedLanguageModel):
        model.start_from_frequencies(_count_tokens(train_shards, weights, len(vocabulary)))
    order = None
    if settings.sentence_order:
        order = SentenceOrderHead(model.encoder.width, architecture.init_std)
    tasks = settings.number_tasks
    trained = Trained(model, order, tasks.number_weight if tasks else 0.0).to(ranks.device)
    training = Training(
        spread=Spread(
            trained, ranks, fsdp=plan.fsdp, precision=settings.precision, compiled=settings.compile
        ),
        settings=settings,
        objective=make_objective(settings, vocabulary, model, context_length=length, seed=seed),
        stream=stream,
        validation=Samples(valid_shards, vocabulary, length, seed),
        checkpoints=Checkpoints(directory / "checkpoints", run, settings.keep_checkpoints, ranks),
        seed=seed,
        accumulation=max(plan.accumulation, _smaller_parts(directory / "checkpoints")),
    )
    training.resume()
    trackers = None
    if settings.trackers and ranks.first:
        trackers = Trackers(settings.trackers, directory / "checkpoints", name)
    flops = training_flops(architecture, len(vocabulary), length, mask_share=settings.mask_share)
    journal = Journal(training.metrics, ranks, trackers)
    return training, Meter(ranks, vocabulary, flops), journal


def _smaller_parts(checkpoints: Path) -> int:
    """Return in how many parts a process that ran out of memory asked for, 1 if none did."""
    note = checkpoints / "accumulation"
    return int(note.read_text()) if note.exists() else 1


def _best_model(
    training: Training, architecture: AnyArchitecture, tokenizer: Path
) -> LanguageModel:
    """Return the model with the best weights, all of them on this CPU, in process 0."""
    spread = training.spread
    with torch.no_grad():
        for name, weight in training.weights().items():
            weight.copy_(training.best_weights[name])
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    whole = get_model_state_dict(spread.trained, options=options)
    vocabulary = read_vocabulary(tokenizer)
    model = build_model(architecture, len(vocabulary), complements_of(vocabulary.words))
    if training.ranks.first:
        prefix = "model."
        state = {k.removeprefix(prefix): v for k, v in whole.items() if k.startswith(prefix)}
        model.load_state_dict(state)
    return model


def _check_vocabulary(samples: Samples | Mixture, tokenizer: Path, size: int) -> None:
    if samples.vocab_size != size:
        raise InputError(
            f"the tokenizer has {size:,} tokens, the shards were written with one of "
            f"{samples.vocab_size:,}",
            path=tokenizer,
            remedy="make the shards again with this tokenizer: `snakemake --cores 2 shards`",
        )


def _data_checksums(shards: Path) -> list[str]:
    return [part["sha256"] for part in Shards(shards).manifest["parts"]]


def _count_tokens(shards: Sequence[Path], weights: Sequence[float], size: int) -> torch.Tensor:
    """Return how frequent tokens are in what is drawn from some corpora; (vocabulary,)."""
    total = np.zeros(size)
    for folder, weight in zip(shards, weights, strict=True):
        reader, counts = Shards(folder), np.zeros(size, dtype=np.int64)
        for number in range(len(reader.parts)):
            counts += np.bincount(reader.part(number)[0], minlength=size)
        # Counts as they are for one corpus; of several, those of a share of the first one's size.
        total += counts if len(shards) == 1 else weight * counts / max(counts.sum(), 1) * 1e6
    return torch.from_numpy(total)
