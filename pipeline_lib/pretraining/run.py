"""Pretraining from shards to a model folder, continuing where an earlier attempt stopped."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_text
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.flops import training_flops
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.card import model_card
from pipeline_lib.pretraining.checkpoints import Checkpoints
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
from pipeline_lib.pretraining.recipe import Recipe
from pipeline_lib.pretraining.sentence_order import SentenceOrderHead
from pipeline_lib.pretraining.stream import Stream
from pipeline_lib.pretraining.trackers import Trackers
from pipeline_lib.pretraining.training import Training
from pipeline_lib.provenance import provenance
from pipeline_lib.shards.reader import Shards
from pipeline_lib.stopping import stop_signals
from pipeline_lib.tokenizer.vocabulary import read_vocabulary


def pretrain(recipe: Recipe, directory: Path, threads: int) -> None:
    """Train a language model and write its folder.

    Writes ``model/``, ``metrics.jsonl`` and ``config.yaml`` to ``directory``; while it runs,
    checkpoints and metrics are in ``directory/checkpoints``. Interrupted at any moment and called
    again, it ends with the same weights, bit for bit on a CPU with as many threads and processes.

    Called in several processes at once, as ``torchrun`` or a launcher of ours does, they share
    each batch. The order of samples does not depend on their number.

    Parameters
    ----------
    recipe
        What the model is made of.
    directory
        Where it goes.
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
    with stop_signals(), joined(recipe.settings.stall_minutes) as ranks:
        # 2. A run that is ready to begin, or to go on, and what its figures are written with.
        training = _prepare(recipe, directory / "checkpoints", ranks)
        training.resume()
        meter, journal = _instruments(recipe, training)

        # 3. Training, and the weights that were best on held-out sequence.
        train(training, meter, journal)
        journal.close()
        model = _best_model(training, recipe)

        # 4. The results.
        if ranks.first:
            _write_results(directory, recipe, training, model)
        ranks.wait()


def _prepare(recipe: Recipe, checkpoints: Path, ranks: Ranks) -> Training:
    """Return a run that has not begun: its data, its model, its objective."""
    settings, architecture, seed = recipe.settings, recipe.architecture, recipe.seed
    vocabulary, length = read_vocabulary(recipe.tokenizer), architecture.input_length
    weights = list(settings.sources.values())
    stream = Stream(recipe.train, vocabulary, settings, length, seed, weights=weights, ranks=ranks)
    _check_batch(stream, settings, ranks)
    _check_vocabulary(stream.samples, recipe.tokenizer, len(vocabulary))
    plan = plan_memory(architecture, len(vocabulary), settings, ranks=ranks)
    torch.manual_seed(seed)
    model = _new_model(recipe)
    if isinstance(model, MaskedLanguageModel):
        model.start_from_frequencies(_count_tokens(recipe.train, weights, len(vocabulary)))
    order = None
    if settings.sentence_order:
        order = SentenceOrderHead(model.encoder.width, architecture.init_std)
    tasks = settings.number_tasks
    trained = Trained(model, order, tasks.number_weight if tasks else 0.0).to(ranks.device)
    spread = Spread(
        trained, ranks, fsdp=plan.fsdp, precision=settings.precision, compiled=settings.compile
    )
    return Training(
        spread=spread,
        settings=settings,
        objective=make_objective(settings, vocabulary, model, context_length=length, seed=seed),
        stream=stream,
        validation=Samples(recipe.valid, vocabulary, length, seed),
        checkpoints=Checkpoints(
            checkpoints, recipe.fingerprint(), settings.keep_checkpoints, ranks
        ),
        seed=seed,
        accumulation=max(plan.accumulation, _smaller_parts(checkpoints)),
    )


def _instruments(recipe: Recipe, training: Training) -> tuple[Meter, Journal]:
    """Return what measures a run, and what its figures are written with."""
    settings, architecture, ranks = recipe.settings, recipe.architecture, training.ranks
    vocabulary, length = read_vocabulary(recipe.tokenizer), architecture.input_length
    trackers = None
    if settings.trackers and ranks.first:
        trackers = Trackers(settings.trackers, training.checkpoints.directory, recipe.name)
    flops = training_flops(architecture, len(vocabulary), length, mask_share=settings.mask_share)
    return Meter(ranks, vocabulary, flops), Journal(training.metrics, ranks, trackers)


def _write_results(
    directory: Path, recipe: Recipe, training: Training, model: LanguageModel
) -> None:
    settings, architecture = recipe.settings, recipe.architecture
    made_by = provenance(settings.model_dump(mode="json"), inputs=recipe.inputs(), seed=recipe.seed)
    shape = architecture.model_dump(mode="json")
    resolved = {"name": recipe.name, "architecture": shape, **made_by}
    write_text(directory / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
    with atomic_path(directory / "metrics.jsonl") as temporary:
        shutil.copyfile(training.metrics, temporary)
    card = model_card(recipe.name, settings, architecture, training, model)
    save_model(directory / "model", model, architecture, recipe.tokenizer, card=card)


def _new_model(recipe: Recipe) -> LanguageModel:
    """Return a model with random weights."""
    vocabulary = read_vocabulary(recipe.tokenizer)
    return build_model(recipe.architecture, len(vocabulary), complements_of(vocabulary.words))


def _smaller_parts(checkpoints: Path) -> int:
    """Return in how many parts a process that ran out of memory asked for, 1 if none did."""
    note = checkpoints / "accumulation"
    return int(note.read_text()) if note.exists() else 1


def _best_model(training: Training, recipe: Recipe) -> LanguageModel:
    """Return the model with the best weights, all of them on this CPU, in process 0."""
    spread = training.spread
    with torch.no_grad():
        for name, weight in training.weights().items():
            weight.copy_(training.best_weights[name])
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    whole = get_model_state_dict(spread.trained, options=options)
    model = _new_model(recipe)
    if training.ranks.first:
        prefix = "model."
        state = {k.removeprefix(prefix): v for k, v in whole.items() if k.startswith(prefix)}
        model.load_state_dict(state)
    return model


def _check_batch(stream: Stream, settings: PretrainingSettings, ranks: Ranks) -> None:
    if min(stage.batch_size for stage in stream.stages) < ranks.count:
        raise InputError(
            f"a batch of {settings.batch_size} inputs for {ranks.count} processes",
            where="pretraining.models.*.batch_size",
            expected="at least one input for each process",
            remedy="raise `batch_size`, or use fewer GPUs",
        )


def _check_vocabulary(samples: Samples | Mixture, tokenizer: Path, size: int) -> None:
    if samples.vocab_size != size:
        raise InputError(
            f"the tokenizer has {size:,} tokens, the shards were written with one of "
            f"{samples.vocab_size:,}",
            path=tokenizer,
            remedy="make the shards again with this tokenizer: `snakemake --cores 2 shards`",
        )


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
