"""Sequences written in batches with a cache, beside a one-at-a-time loop and beside no cache.

    python benchmarks/generation.py

Models with random weights: what they write does not matter, how fast they do does. All write the
same tokens: each sequence has its own random stream. Prints a table; ratios are of CPU time.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models import generation, hyena_generation
from pipeline_lib.models.build import build_model
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.sampling import Chances, Sampling, choose

VOCABULARY = 16
Way = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Write with every model in every way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=256)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    count, length = arguments.sequences, arguments.tokens
    uniforms = torch.from_numpy(np.random.default_rng(0).random((count, length)))
    prompt = torch.zeros(count, 1, dtype=torch.long)
    print(f"{count} sequences of {length} tokens, {torch.get_num_threads()} threads\n")
    print("| model | way | CPU seconds | times as long | same tokens |\n|---|---|---:|---:|---|")
    for name, ways in {"DNAGPT": dnagpt(length), "HyenaDNA": hyena(length)}.items():
        first, known = 0.0, None
        for way, write in ways.items():
            begin = time.process_time()
            with torch.inference_mode():
                tokens = write(prompt, uniforms)
            taken = time.process_time() - begin
            first, known = first or taken, tokens if known is None else known
            same = "yes" if torch.equal(tokens, known) else "no"
            print(f"| {name} | {way} | {taken:.2f} | {taken / first:.1f} | {same} |", flush=True)


def dnagpt(length: int) -> dict[str, Way]:
    """Return the ways in which a causal Transformer writes."""
    shape = Architecture(
        family="gpt2", attention="causal", norm="pre", final_norm=True, embedding_norm=False,
        layers=4, width=128, heads=4, feedforward_width=512, context_length=length + 1,
        dropout=0.0, init_std=0.1,
    )  # fmt: skip
    model = build_model(shape, VOCABULARY).double().eval()
    assert isinstance(model, CausalLanguageModel)

    def write(prompt: Tensor, uniforms: Tensor, cached: bool = True) -> Tensor:
        return generation.generate(
            model, prompt, uniforms.shape[1], generator=Chances(uniforms), cached=cached
        )

    return {
        "batch, cache": write,
        "one at a time, cache": lambda p, u: one_by_one(write, p, u),
        "batch, no cache": lambda p, u: write(p, u, cached=False),
        "one at a time, no cache": lambda p, u: one_by_one(
            lambda a, b: write(a, b, cached=False), p, u
        ),
    }


def hyena(length: int) -> dict[str, Way]:
    """Return the ways in which a HyenaDNA writes."""
    shape = HyenaArchitecture(
        layers=4, width=128, feedforward_width=512, context_length=length + 1,
        embedding_dropout=0.0, init_std=0.1,
    )  # fmt: skip
    model = build_model(shape, VOCABULARY).double().eval()
    assert isinstance(model, HyenaLanguageModel)

    def write(prompt: Tensor, uniforms: Tensor) -> Tensor:
        return hyena_generation.generate(
            model, prompt, uniforms.shape[1], generator=Chances(uniforms)
        )

    def again(prompt: Tensor, uniforms: Tensor) -> Tensor:
        """Compute everything anew for every token, as a loop over `forward` does."""
        chances, tokens = Chances(uniforms), prompt
        for _ in range(uniforms.shape[1]):
            drawn = choose(model(tokens)[:, -1], Sampling(), chances)
            tokens = torch.cat([tokens, drawn[:, None]], dim=1)
        return tokens[:, prompt.shape[1] :]

    return {
        "batch, cache": write,
        "one at a time, cache": lambda p, u: one_by_one(write, p, u),
        "batch, no cache": again,
    }


def one_by_one(way: Way, prompt: Tensor, uniforms: Tensor) -> Tensor:
    """Write the sequences of a batch one after the other."""
    rows = range(len(prompt))
    return torch.cat([way(prompt[row : row + 1], uniforms[row : row + 1]) for row in rows])


if __name__ == "__main__":
    main()
