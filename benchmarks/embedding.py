"""Embedding sequences of mixed length, against a padded loop of `transformers`.

    python benchmarks/embedding.py
    python benchmarks/embedding.py --model results/pretraining/MODEL/model

The peer reads the same model folder with `AutoModel` and `AutoTokenizer`, takes batches in the
order of the input, pads each to its longest sequence, and means over tokens without special ones.
Ours is the whole command: it loads the model, reads FASTA and writes Parquet. Both compute in
float32; "largest difference" is that between their vectors. Imports are not timed, nor is the
loading of the peer.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline_lib.application.embedding.embed import HowToEmbed, embed
from pipeline_lib.application.embedding.output import read_vectors
from pipeline_lib.config import load_architecture
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

PRESETS = Path(__file__).parents[1] / "config" / "models"


def small_model(folder: Path) -> Path:
    """Write a BERT of four layers with random weights, which reads single bases."""
    tokenizer = folder / "bases.json"
    tokenizer.write_text(kmer_tokenizer(TokenizerSettings(kind="nucleotide")).to_str())
    shape = {"layers": 4, "width": 128, "heads": 2, "feedforward_width": 512, "context_length": 512}
    architecture = load_architecture("bert-mini", shape, [PRESETS])
    model = build_model(architecture, len(read_vocabulary(tokenizer)))
    save_model(folder / "model", model, architecture, tokenizer, card="benchmark")
    return folder / "model"


def sequences(kind: str, count: int, most: int) -> list[str]:
    """Return random sequences: all of one length, or most short and some long."""
    random = np.random.default_rng(1)
    lengths = np.full(count, min(300, most))
    if kind == "mixed":
        lengths = np.exp(random.normal(np.log(120), 0.8, count)).clip(20, most).astype(int)
    return ["".join(random.choice(list("ACGT"), length)) for length in lengths]


class Peer:
    """What one would write with `transformers`."""

    def __init__(self, model: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.model: Any = AutoModel.from_pretrained(model).eval()
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model)

    @torch.inference_mode()
    def embed(self, texts: list[str], batch: int) -> np.ndarray:
        """Return the mean vector of each text."""
        found = []
        for first in range(0, len(texts), batch):
            part = texts[first : first + batch]
            inputs = self.tokenizer(
                part, return_tensors="pt", padding=True, return_special_tokens_mask=True
            )
            counted = 1 - inputs.pop("special_tokens_mask")[..., None]
            inputs.pop("token_type_ids", None)
            hidden = self.model(**inputs).last_hidden_state
            found.append(((hidden * counted).sum(dim=1) / counted.sum(dim=1)).numpy())
        return np.concatenate(found)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the CPU seconds it took."""
    begun = time.process_time()
    return function(), time.process_time() - begun


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="Model folder that `AutoModel` reads.")
    parser.add_argument("--sequences", type=int, default=1_500)
    parser.add_argument("--batch", type=int, default=32, help="Of the peer.")
    parser.add_argument("--most", type=int, default=500, help="Bases of the longest.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    how = HowToEmbed(precision="fp32")
    print("| lengths | bases | ours, s | peer, s | times as fast | largest difference |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as work:
        model = given.model or small_model(Path(work))
        peer = Peer(model)
        for kind in ("mixed", "equal"):
            texts = sequences(kind, given.sequences, given.most)
            fasta, output = Path(work) / f"{kind}.fa", Path(work) / f"{kind}.parquet"
            fasta.write_text("".join(f">{n}\n{text}\n" for n, text in enumerate(texts)))
            theirs, slow = timed(lambda t=texts: peer.embed(t, given.batch))  # type: ignore[misc]
            _, fast = timed(lambda f=fasta, o=output: embed(f, model, o, how))  # type: ignore[misc]
            own = read_vectors(output, np.arange(len(texts)))
            bases, worst = sum(map(len, texts)), np.abs(own - theirs).max()
            times = f"{fast:.1f} | {slow:.1f} | {slow / fast:.2f}"
            print(f"| {kind} | {bases:,} | {times} | {worst:.1e} |")


if __name__ == "__main__":
    main()
