"""What the published models would cost to train, and whether data and disks keep up.

    python benchmarks/scaling.py --write            # the derived tables of docs/scaling.md
    python benchmarks/scaling.py --measure --write  # and the measured ones, on this machine

Derived tables follow from the shapes of the models and the assumptions below. Measured are the rate
at which batches are made on one core, and at which a checkpoint is written.
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.config import load_architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.models.flops import peak_flops, training_flops
from pipeline_lib.pretraining.cost import GPUS, training_cost

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "scaling.md"

PRICES = {"A100": 2.0, "H100": 3.0}
"""Assumed dollars for an hour of a GPU."""
UTILISATION = {"hyena": 0.05}
OTHERS = 0.4
"""Assumed shares of the bf16 peak. FFTs do not run on matrix units: HyenaDNA's largest model used
1.3 % of an A100 as published, and about 4 times that with fused kernels (Fu et al. 2023)."""
SPREADING = {8: 0.95, 64: 0.85}
"""Assumed share of the speed that is left when so many GPUs work together."""
NAMES = {"corpus": "none", "tokenizer": "none"}
BYTES = 2.2
"""Of a token in the shards (benchmarks/README.md)."""


@dataclass(frozen=True)
class Published:
    """A published training run.

    Attributes
    ----------
    tokens
        Of the whole run.
    length
        Tokens of an input, on average.
    source
        Where the number of tokens comes from.
    gpu_hours
        Of A100, as published; None if not.
    """

    preset: str
    tokens: float
    length: int
    source: str
    gpu_hours: float | None = None


RUNS = (
    Published(
        "gena-lm-bert-base-t2t", 2.1e6 * 256 * 512, 512, "2.1 M steps of 256 x 512",
        8 * 5 * 24 * 1.05,
    ),
    Published(
        "gena-lm-bert-large-t2t", 1.75e6 * 256 * 512, 512, "1.75 M steps of 256 x 512",
        8 * 7 * 24 * 1.75,
    ),
    Published(
        "gena-lm-bigbird-base-sparse-t2t", 0.8e6 * 256 * 4096, 4096, "0.8 M steps of 256 x 4,096"
    ),
    Published("moderngena-base", 1.51e12, 700, "1,510 B tokens; inputs of 700 on average"),
    Published("moderngena-large", 1.32e12, 700, "1,320 B tokens; inputs of 700 on average"),
    Published("logo", 600e3 * 1024 * 512, 512, "at most 150 x 4,000 steps of 1,024 x 512"),
    Published("hyenadna-tiny-1k", 20e3 * 256 * 1024, 1024, "at most 20 k steps of 256", 1.3),
    Published("hyenadna-small-32k", 20e3 * 256 * 32768, 32768, "at most 20 k steps of 256"),
    Published("hyenadna-large-1m", 2e12, 1_000_000, "2 T tokens", 8 * 28 * 24),
)  # fmt: skip


def shape_of(preset: str) -> tuple[AnyArchitecture, int]:
    """Return the shape of a preset, and its number of tokens."""
    shape = load_architecture(preset, {}, [ROOT / "config" / "models"])
    return shape, getattr(shape, "published_vocabulary", None) or 16


def flops_per_token(run: Published) -> float:
    return training_flops(*shape_of(run.preset), run.length)


def used(run: Published, gpu: str) -> float:
    """Return the operations a second that one GPU is assumed to make."""
    share = UTILISATION.get(shape_of(run.preset)[0].family, OTHERS)
    peak = peak_flops(GPUS[gpu])
    assert peak is not None
    return share * peak


def table(head: str, rows: Iterator[list[str]]) -> list[str]:
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + "|".join(["---", *["---:"] * (len(columns) - 1)]) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def cost_rows() -> Iterator[list[str]]:
    for run in RUNS:
        total = run.tokens * flops_per_token(run)
        row = [run.preset, f"{run.tokens / 1e9:,.0f}", f"{total:.1e}"]
        for gpu in GPUS:
            alone = total / used(run, gpu) / 3600
            for count, kept in SPREADING.items():
                hours = alone / kept / count
                price = hours * count * PRICES[gpu]
                row.append(f"{hours:,.1f} h, {price:,.0f} $")
        peak = peak_flops(GPUS["A100"])
        assert peak is not None
        achieved = None if run.gpu_hours is None else total / (run.gpu_hours * 3600 * peak)
        row.append("" if run.gpu_hours is None else f"{run.gpu_hours:,.1f} ({achieved:.1%})")
        yield row


def data_rows() -> Iterator[list[str]]:
    for run in RUNS:
        alone = used(run, "H100") / flops_per_token(run)
        rates = [alone * count * kept for count, kept in {1: 1.0, **SPREADING}.items()]
        yield [
            run.preset,
            *(f"{rate / 1e3:,.0f}" for rate in rates),
            f"{rates[-1] * BYTES / 1e6:,.0f}",
            f"{run.tokens * BYTES / 1e9:,.0f}",
        ]


def checkpoint_rows() -> Iterator[list[str]]:
    for preset in (*(run.preset for run in RUNS), "dnagpt-m", "dnagpt-3b"):
        shape, words = shape_of(preset)
        for optimizer in ("adamw", "muon"):
            model = Model(**NAMES, preset=preset, optimizer=optimizer)
            if optimizer == "adamw":
                plain = training_cost(model, shape, words)
            else:
                muon = training_cost(model, shape, words)
        yield [
            preset, f"{plain.weights / 1e6:,.1f}", f"{plain.model_bytes / 1e6:,.0f}",
            f"{plain.checkpoint_bytes / 1e6:,.0f}", f"{muon.checkpoint_bytes / 1e6:,.0f}",
            f"{plain.disk_bytes / 1e6:,.0f}",
        ]  # fmt: skip


def derived() -> str:
    """Return the tables that follow from shapes and assumptions alone."""
    spread = ", ".join(f"{share:.0%} of it on {count} GPUs" for count, share in SPREADING.items())
    prices = ", ".join(f"{price:.2f} $ for an hour of an {gpu}" for gpu, price in PRICES.items())
    lines = [
        f"Assumed: {OTHERS:.0%} of the bf16 peak put to use, "
        f"{UTILISATION['hyena']:.0%} by HyenaDNA; {spread}; {prices}.",
        "",
        *table(
            "model | tokens, billion | operations | 8 A100 | 64 A100 | 8 H100 | 64 H100 | "
            "A100-hours as published",
            cost_rows(),
        ),
        "",
        *table(
            "model | thousand tokens/s on one H100 | on 8 | on 64 | MB/s on 64 | read in all, GB",
            data_rows(),
        ),
        "",
        *table(
            "model | weights, million | model, MB | checkpoint, MB | with Muon | on disk, MB",
            checkpoint_rows(),
        ),
        "",
        "Where the numbers of tokens come from: "
        + "; ".join(f"{run.preset}: {run.source}" for run in RUNS)
        + ".",
    ]
    return "\n".join(lines)


def make_shards(directory: Path, documents: int, tokens: int, per_part: int, words: int) -> Path:
    """Write random tokens as a folder of shards."""
    import numpy as np
    import pyarrow.parquet as pq

    from pipeline_lib.corpus.reader import Document
    from pipeline_lib.files import checksum, write_json
    from pipeline_lib.shards.write import Encoded, _table

    generator, parts = np.random.default_rng(0), []
    directory.mkdir(parents=True)
    for number, begin in enumerate(range(0, documents, per_part)):
        rows = []
        for index in range(begin, min(documents, begin + per_part)):
            ids = generator.integers(12 if words > 20 else 7, words, tokens).astype(np.uint16)
            document = Document(index, "made-up", "chr1", "+", 0, 9 * tokens, 0, [9 * tokens])
            ends = np.array([tokens], np.int32)
            rows.append(Encoded(document, ids, ends, np.zeros(0, np.uint8), 9 * tokens))
        path = directory / f"part-{number:05d}.parquet"
        pq.write_table(_table(rows), path, row_group_size=64)
        parts.append({"name": path.name, "documents": len(rows), "tokens": tokens * len(rows),
                      "bases": 0, "sha256": checksum(path)})  # fmt: skip
    write_json(directory / "manifest.json", {"vocab_size": words, "parts": parts})
    return directory


def loader_rows(folder: Path) -> Iterator[list[str]]:
    """Measure how fast batches are made, with what is asked of them, on one core."""
    from pipeline_lib.config.tokenizer import Tokenizer
    from pipeline_lib.pretraining.objective import Objective
    from pipeline_lib.pretraining.stream import Stream
    from pipeline_lib.tokenizer.kmers import kmer_tokenizer
    from pipeline_lib.tokenizer.vocabulary import read_vocabulary

    cases = (
        ("masked, spans of up to 3", 512, 256, "kmer", 60_000),
        ("masked, spans of up to 3", 1024, 256, "kmer", 60_000),
        ("masked, spans of up to 3", 4096, 32, "kmer", 60_000),
        ("next token", 1024, 256, "nucleotide", 60_000),
        ("next token", 32_768, 8, "nucleotide", 500_000),
        ("next token", 1_000_000, 1, "nucleotide", 3_000_000),
    )
    for number, (what, length, size, kind, tokens) in enumerate(cases):
        place = folder / str(number)
        place.mkdir()
        tokenizer = kmer_tokenizer(Tokenizer(corpus="none", kind=kind))
        tokenizer.save(str(place / "tokenizer.json"))
        vocabulary = read_vocabulary(place / "tokenizer.json")
        many = 20_000_000 // tokens
        shards = make_shards(
            place / "train", many, tokens, max(1, 4_000_000 // tokens), len(vocabulary)
        )
        settings = Model(
            **NAMES, preset="none", batch_size=size,
            mask_span=3 if kind == "kmer" else 1,
        )  # fmt: skip
        stream = Stream([shards], vocabulary, settings, length, seed=1)
        objective = Objective(settings, vocabulary, kind != "kmer", length, seed=1)
        objective.examples(stream.batch(0))  # the first one reads and compiles
        begun, done, step = time.process_time(), 0, 1
        while time.process_time() - begun < 4 or step < 4:
            batch = stream.batch(step)
            objective.examples(batch)
            done, step = done + int(batch.lengths.sum()), step + 1
        rate = done / (time.process_time() - begun)
        yield [f"{what}, {length:,} x {size}", f"{rate / 1e3:,.0f}", f"{rate * BYTES / 1e6:.1f}"]


def saving_rows(folder: Path) -> Iterator[list[str]]:
    """Measure how fast tensors are written and read again."""
    import torch

    state = {str(number): torch.randn(2**24) for number in range(8)}  # 64 MB each
    size = sum(tensor.nbytes for tensor in state.values()) / 1e6
    path = folder / "state.pt"
    begun = time.perf_counter()
    with path.open("wb") as handle:
        torch.save(state, handle)
        handle.flush()
        os.fsync(handle.fileno())
    written = time.perf_counter() - begun
    begun = time.perf_counter()
    torch.load(path, weights_only=True)
    read = time.perf_counter() - begun
    yield [f"{size:,.0f} MB", f"{size / written:,.0f}", f"{size / read:,.0f}"]


def measured(folder: Path) -> str:
    """Return the tables that are measured on this machine."""
    return "\n".join(
        [
            *table(
                "batches and what is asked of them | thousand tokens/s on one core | MB/s",
                loader_rows(folder),
            ),
            "",
            *table(
                "torch.save, with fsync | written, MB/s | read from the cache, MB/s",
                saving_rows(folder),
            ),
        ]
    )


def replace(page: str, name: str, text: str) -> str:
    """Return a page with one of its generated parts made anew."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--measure", action="store_true", help="measure on this machine, 1 minute")
    parser.add_argument("--write", action="store_true", help=f"change {PAGE.name}")
    options = parser.parse_args()
    parts = {"derived": derived()}
    if options.measure:
        with tempfile.TemporaryDirectory() as folder:
            parts["measured"] = measured(Path(folder))
    if options.write:
        page = PAGE.read_text()
        for name, text in parts.items():
            page = replace(page, name, text)
        PAGE.write_text(page)
    else:
        print("\n\n".join(parts.values()))


if __name__ == "__main__":
    main()
