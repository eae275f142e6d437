"""What batches of examples of like length save when a model is tuned.

    python benchmarks/tuning.py

Three ways of making batches of the same examples, in turn in the same run: at random, as plain
loops do; by length within shuffled buckets, as tuning does; and end to end without any padding, for
models that can. Reported are the share of padding in what a model reads, and training steps in
tokens of examples a second, as ratios to batches at random.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.finetuning.encoding import training_batches
from pipeline_lib.models.transformer import Transformer

SHAPE = Architecture(
    family="modernbert", layers=4, norm="pre", final_norm=True, first_norm=False, bias=False,
    positions="rotary", feedforward="gated", width=128, heads=4, feedforward_width=256,
    context_length=1024, dropout=0.0,
)  # fmt: skip
WORDS = 512
Batches = list[NDArray[np.int64]]


def lengths_of(kind: str, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return tokens of examples: nearly alike, mixed evenly, or with a long tail."""
    if kind == "alike":
        drawn = generator.normal(300, 20, count)
    elif kind == "mixed":
        drawn = generator.uniform(50, 600, count)
    else:
        drawn = generator.lognormal(np.log(120), 0.8, count)
    return np.clip(drawn, 16, SHAPE.context_length).astype(np.int64)


def at_random(lengths: NDArray[np.int64], size: int) -> Batches:
    """Return batches in any order."""
    order = np.random.default_rng(0).permutation(len(lengths))
    return [order[first : first + size] for first in range(0, len(order), size)]


def padding(lengths: NDArray[np.int64], batches: Batches) -> float:
    """Return the share of what is read that is padding."""
    read = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - float(lengths.sum()) / read


def padded_step(model: Transformer, lengths: NDArray[np.int64]) -> None:
    """Make one step with padding."""
    mask = torch.from_numpy(np.arange(lengths.max()) < lengths[:, None])
    tokens = torch.randint(5, WORDS, mask.shape)
    hidden = model(tokens, None if bool(mask.all()) else mask)
    hidden[mask].square().mean().backward()


def packed_step(model: Transformer, lengths: NDArray[np.int64]) -> None:
    """Make one step with examples end to end."""
    tokens = torch.randint(5, WORDS, (int(lengths.sum()),))
    model(tokens, lengths=lengths.tolist()).square().mean().backward()


def measured(
    lengths: NDArray[np.int64], size: int, seconds: float
) -> Iterator[tuple[str, float, float]]:
    """Yield each way's name, share of padding, and tokens of examples a CPU second."""
    torch.manual_seed(0)
    model = Transformer(SHAPE, WORDS)
    sorted_ = training_batches(lengths, size, seed=0, epoch=1)
    ways: dict[str, tuple[Batches, Callable[[Transformer, NDArray[np.int64]], None]]] = {
        "at random": (at_random(lengths, size), padded_step),
        "by length": (sorted_, padded_step),
        "end to end": (sorted_, packed_step),
    }
    done, spent = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    turn = 0
    while min(spent.values()) < seconds:
        for name, (batches, step) in ways.items():
            chosen = lengths[batches[turn % len(batches)]]
            begun = time.process_time()
            step(model, chosen)
            spent[name] += time.process_time() - begun
            done[name] += int(chosen.sum())
        turn += 1
    for name, (batches, step) in ways.items():
        share = 0.0 if step is packed_step else padding(lengths, batches)
        yield name, share, done[name] / spent[name]


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each way and mix")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    print("| lengths | batches | padding | tokens per CPU second | of those at random |")
    print("|---|---|---:|---:|---:|")
    for kind in ("alike", "mixed", "long tail"):
        lengths = lengths_of(kind, given.examples, np.random.default_rng(1))
        rows = list(measured(lengths, given.batch_size, given.seconds))
        for name, share, rate in rows:
            print(f"| {kind} | {name} | {share:.1%} | {rate:,.0f} | {rate / rows[0][2]:.2f} |")


if __name__ == "__main__":
    main()
