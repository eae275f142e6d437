"""What training will take, said before it begins: operations, GPU-hours and disk.

Computed from the configuration alone, without torch: it is printed when a workflow starts.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.config.root import Config
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.models.flops import peak_flops, training_flops
from pipeline_lib.models.sizes import count_layer_matrices, count_weights

UTILISATION = 0.4
"""Share of the peak of a GPU that is assumed to be put to use."""
GPUS = {"A100": "NVIDIA A100-SXM4-80GB", "H100": "NVIDIA H100 80GB HBM3"}
SHORT = 0.1
"""GPU-hours that are not worth a figure."""
NUMBER = 4
"""Bytes of a weight, and of what is kept for it, in a checkpoint."""


@dataclass(frozen=True)
class Cost:
    """What the training of a model takes.

    Attributes
    ----------
    weights
        Number of weights.
    tokens, flops
        Of the whole run, if no input is shorter than the longest; None where a run is limited by
        time.
    checkpoint_bytes
        Of one checkpoint: weights, what the optimizer keeps of each, the best weights so far, and
        the running mean if there is one.
    disk_bytes
        Of all checkpoints that are there at a time: those kept, and the one being written.
    model_bytes
        Of the weights of the result.
    """

    weights: int
    tokens: int | None
    flops: float | None
    checkpoint_bytes: int
    disk_bytes: int
    model_bytes: int

    def gpu_hours(self, device_name: str, utilisation: float = UTILISATION) -> float | None:
        """Return the hours on one GPU, None where nothing is known of it or of the tokens."""
        peak = peak_flops(device_name)
        if peak is None or self.flops is None:
            return None
        return self.flops / (utilisation * peak) / 3600


def training_cost(model: Model, architecture: AnyArchitecture, vocab_size: int) -> Cost:
    """Return what the training of a model takes.

    Parameters
    ----------
    model
        Steps, batch size, optimizer, what is kept.
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    """
    weights = count_weights(architecture, vocab_size)
    tokens = flops = None
    if model.minutes is None:
        tokens = model.steps * model.batch_size * architecture.input_length
        flops = tokens * training_flops(architecture, vocab_size, mask_share=model.mask_share)
    kept = 4 * weights  # the weights, two moments of each, the best weights
    if model.optimizer == "muon":  # keeps one
        kept -= count_layer_matrices(architecture)
    if model.average_decay is not None:
        kept += weights
    checkpoint = NUMBER * kept
    return Cost(
        weights, tokens, flops, checkpoint, checkpoint * (model.keep_checkpoints + 1),
        NUMBER * weights,
    )  # fmt: skip


def vocabulary_size(tokenizer: TokenizerSettings) -> int:
    """Return the number of tokens; of byte pairs the most that there may be.

    Of words of k bases it is that of :func:`pipeline_lib.tokenizer.kmers.kmer_words`, which are
    not made for it.
    """
    if tokenizer.kind == "bpe":
        return tokenizer.vocab_size
    if tokenizer.vocabulary == "hyenadna":
        return 12
    lengths = range(1, (1 if tokenizer.kind == "nucleotide" else tokenizer.k) + 1)
    if tokenizer.vocabulary == "dnagpt":
        return 34 + sum(int(5**n) for n in lengths)
    if tokenizer.vocabulary == "logo":
        return 10 + sum(5 if n == 1 else 4 * 5 ** (n - 1) for n in lengths)
    return 7 + sum(int(4**n) for n in lengths)


def cost_lines(
    names: Collection[str],
    config: Config,
    architectures: Mapping[str, AnyArchitecture],
    results: Path = Path("results"),
) -> list[str]:
    """Return what is to be said of models that are still to be trained; nothing if there are none.

    Parameters
    ----------
    names
        Models that are still to be trained.
    config
        The configuration.
    architectures
        Shapes of the models.
    results
        Folder of the results: shards that are there are counted, and the space that is left.
    """
    if not names:
        return []
    lines = [
        f"To be trained (estimates; of a GPU's bf16 peak {UTILISATION:.0%} is taken to be used):"
    ]
    disk = 0
    for name in names:
        model = config.pretraining.models[name]
        size = vocabulary_size(config.tokenizer.tokenizers[model.tokenizer])
        cost = training_cost(model, architectures[name], size)
        disk += cost.disk_bytes + cost.model_bytes
        lines.append(f"  {name}: {_described(model, cost)}")
    folders = {
        results / "shards" / corpus / model.tokenizer
        for model in map(config.pretraining.models.__getitem__, names)
        for corpus in model.sources
    }
    shards = _bytes_of(sorted(folders))
    known = f"; their shards take {_bytes(shards)}" if shards else ""
    free = shutil.disk_usage(_existing(results)).free
    lines.append(f"  disk: up to {_bytes(disk)} of {_bytes(free)} that are free{known}")
    return lines


def _described(model: Model, cost: Cost) -> str:
    sizes = (
        f"a checkpoint has {_bytes(cost.checkpoint_bytes)}, those kept at a time have "
        f"{_bytes(cost.disk_bytes)}, the model {_bytes(cost.model_bytes)}"
    )
    weights = f"{_count(cost.weights)} weights"
    if cost.tokens is None or cost.flops is None:
        return f"{weights}, {model.minutes:g} minutes by the clock; {sizes}"
    hours = {name: cost.gpu_hours(device) or 0.0 for name, device in GPUS.items()}
    said = " or ".join(f"{_hours(value)} on an {name}" for name, value in hours.items())
    if max(hours.values()) < SHORT:
        said = f"less than {SHORT} GPU-hours"
    work = f"{_count(cost.tokens)} tokens, {cost.flops:.2g} operations: {said}"
    gpus = model.slurm.nodes * model.slurm.gpus
    if model.launcher == "slurm" and gpus > 1:
        work += f", shared by {gpus} GPUs"
    return f"{weights}, {work}; {sizes}"


def _bytes_of(folders: Iterable[Path]) -> int:
    """Return the bytes of the Parquet files in some folders and those below."""
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*.parquet"))


def _existing(path: Path) -> Path:
    """Return the path or, if there is none yet, the folder that it will be in."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _count(number: float) -> str:
    return _scaled(number, ("", " thousand", " million", " billion", " trillion"))


def _bytes(number: float) -> str:
    return _scaled(number, (" bytes", " kB", " MB", " GB", " TB"))


def _scaled(number: float, units: tuple[str, ...]) -> str:
    """Return three digits and a unit; each unit is a thousand of the one before."""
    power = 0
    while number >= 999.5 and power < len(units) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.3g}{units[power]}"


def _hours(hours: float) -> str:
    return f"{hours:,.1f} GPU-hours" if hours < 100 else f"{hours:,.0f} GPU-hours"
