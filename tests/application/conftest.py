"""What the tests of the application stage share: a genome, and models of every kind."""

import json
import shutil
from pathlib import Path

import numpy as np
import pysam
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.finetuning.examples import write_examples
from pipeline_lib.finetuning.scorer import HEAD
from pipeline_lib.finetuning.tune import finetune
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from tests.finetuning import toys

LENGTHS = {"chr1": 3000, "chr2": 700, "chrM": 300}
TOKENIZERS = {
    "bases": TokenizerSettings(kind="nucleotide"),
    "words": TokenizerSettings(kind="kmer", k=3),
    "overlapping": TokenizerSettings(kind="kmer", k=3, overlapping=True),
}
MASKED = Architecture(
    layers=1, width=16, heads=2, feedforward_width=32, init_std=0.3, context_length=66, dropout=0.0
)
# kind of model: its tokenizer ("bpe": unequal words) and its shape
MODELS = {
    "bases": ("bases", MASKED),
    "words": ("words", MASKED),
    "overlapping": ("overlapping", MASKED),
    "bpe": ("bpe", MASKED),
    "causal": ("bases", toys.GPT.model_copy(update={"dropout": 0.0})),
    "hyena": ("bases", toys.HYENA.model_copy(update={"embedding_dropout": 0.0})),
}


def random_dna(length: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size=length))


@pytest.fixture(scope="session")
def sequences() -> dict[str, str]:
    """Return the records of a small genome; the first has a gap and lower case."""
    found = {name: random_dna(length, seed) for seed, (name, length) in enumerate(LENGTHS.items())}
    first = found["chr1"]
    found["chr1"] = first[:1000] + "N" * 50 + first[1050:2000].lower() + first[2000:]
    return found


@pytest.fixture(scope="session")
def genome(sequences: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a FASTA file, plain and with its index."""
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    lines = [
        f">{name}\n" + "\n".join(text[at : at + 60] for at in range(0, len(text), 60))
        for name, text in sequences.items()
    ]
    path.write_text("\n".join(lines) + "\n")
    pysam.faidx(str(path))
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return model folders with random weights, by kind; see ``MODELS``."""
    folder = tmp_path_factory.mktemp("models")
    for name, settings in TOKENIZERS.items():
        (folder / f"{name}.json").write_text(kmer_tokenizer(settings).to_str())
    toys.write_tokenizer(folder / "bpe.json")
    return {
        name: toys.write_model(folder / name, folder / f"{tokenizer}.json", shape)
        for name, (tokenizer, shape) in MODELS.items()
    }


@pytest.fixture(scope="session")
def untold(tuned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tuned model with a head that does not say which windows it was tuned with."""
    folder = tmp_path_factory.mktemp("untold") / "model"
    shutil.copytree(tuned, folder)
    with safe_open(folder / HEAD, framework="pt") as file:
        about = json.loads(file.metadata()["dnalm"])
    for name in ("window", "focus", "pairs"):
        del about[name]
    save_file(load_file(folder / HEAD), folder / HEAD, {"dnalm": json.dumps(about)})
    return folder


@pytest.fixture(scope="session")
def tuned(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model tuned to two classes: whether `GGG`, and not `TAT`, stands before an `ATG`.

    It reads windows of 63 bases with the `ATG` at base 30.
    """
    folder = tmp_path_factory.mktemp("tuned")
    write_examples(folder / "examples.parquet", toys.make_examples(count=960))
    task = toys.make_task(epochs=4)
    finetune(
        models["bases"], folder / "examples.parquet", folder / "run", task,
        init="pretrained", seed=1, threads=1,
    )  # fmt: skip
    return folder / "run" / "model"
