"""Training speed, memory and use of one GPU, for every family of models, in less than 10 minutes.

    python benchmarks/gpu.py --json gpu.json             # on a machine with a data-centre GPU
    python benchmarks/gpu.py --mini --minutes 1          # small models, on a CPU as well

Steps are those of pretraining: the same loss, optimizer and precision, on made-up tokens. A row has
as many inputs at once as fit, and is left out where the time is up; the table says so. "Of peak" is
the share of what the vendor promises in bf16, "of products" that of large matrix products measured
on the same device. Operations are those the model asks for: what is recomputed does not count.
"""

import argparse
import gc
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from pipeline_lib.config import load_architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.training import OptimizerSettings
from pipeline_lib.models.build import build_model
from pipeline_lib.models.flops import MASK_SHARE, peak_flops, training_flops
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.losses import Totals, Trained
from pipeline_lib.pretraining.memory import no_memory_left
from pipeline_lib.pretraining.optimizer import make_optimizers
from pipeline_lib.pretraining.parallel import Spread
from pipeline_lib.pretraining.ranks import Ranks

ROOT = Path(__file__).resolve().parents[1]
FIRST = 5
"""Smallest id of a made-up token: the ones below are taken to be special."""
MEMORY = {"memory": {"tokens": 10, "segments": 8, "checkpointing": True}}
PRESETS: dict[str, dict[str, Any]] = {
    "gena-lm-bert-base-t2t": {},
    "moderngena-base": {},
    "gena-lm-bigbird-base-sparse-t2t": {},
    "logo": {},
    "dnagpt-b-512": {},
    "hyenadna-small-32k": {},
    "hyenadna-medium-160k": {},
    "hyenadna-large-1m": {"checkpointing": True},
    "gena-lm-bert-base-lastln-t2t": MEMORY,
}
FAMILIES = ("bert", "moderngena", "bigbird", "logo", "dnagpt", "hyena", "rmt")
MINIS: dict[str, dict[str, Any]] = {f"{name}-mini": {} for name in FAMILIES}
VARIANTS = (("bf16", True), ("bf16", False), ("fp32", False))
"""Precision, and whether layers are compiled; in this order, all models after one another."""
HEAD = (
    "| model | tokens | precision | compiled | inputs | tokens/s | of peak | of products | "
    "memory, GB | first step, s |\n|---|---:|---|---|---:|---:|---:|---:|---:|---:|"
)
Step = Callable[[], None]


@dataclass
class Row:
    """What was measured of a model.

    Attributes
    ----------
    inputs
        Sequences at once.
    tokens_per_second
        Of training, 0 where nothing was measured.
    of_peak, of_products
        Share of the vendor's peak and of the measured rate of products; None if unknown.
    memory_gb
        Most memory that was in use; None on a CPU.
    first_seconds
        Time of the first step, with what is compiled.
    note
        Why there are no numbers.
    """

    preset: str
    length: int
    precision: str
    compiled: bool
    inputs: int = 0
    tokens_per_second: float = 0.0
    of_peak: float | None = None
    of_products: float | None = None
    memory_gb: float | None = None
    first_seconds: float = 0.0
    note: str = ""


class TimeIsUp(Exception):  # noqa: N818
    """A row took too long."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeIsUp` in the block after so many seconds; also while it compiles."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def synthetic(inputs: int, length: int, words: int, causal: bool) -> Examples:
    """Return made-up tokens, and what is asked of them."""
    chance = np.random.default_rng(0)
    tokens = chance.integers(FIRST, words, (inputs, length))
    targets = np.ones(tokens.shape, dtype=bool)
    answers = np.roll(tokens, -1, axis=1)
    targets[:, -1] = False
    if not causal:
        targets, answers = chance.random(tokens.shape) < MASK_SHARE, tokens
    return Examples(tokens, np.ones(tokens.shape, dtype=bool), targets, answers[targets])


def make_step(
    architecture: AnyArchitecture,
    words: int,
    inputs: int,
    precision: str,
    compiled: bool,
    device: torch.device,
) -> Step:
    """Return a training step as pretraining makes it; the only place that knows how."""
    torch.manual_seed(0)
    model = build_model(architecture, words, range(words)).to(device)
    trained = Trained(model)
    spread = Spread(
        trained, Ranks(device=device), fsdp=False, precision=precision, compiled=compiled
    )
    optimizers = make_optimizers(trained, OptimizerSettings())
    examples = synthetic(inputs, architecture.input_length, words, model.causal)
    totals = Totals.of(examples)

    def step() -> None:
        spread.backward([examples], totals)
        spread.clip(1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(step: Step, device: torch.device) -> float:
    synchronize(device)
    begun = time.perf_counter()
    step()
    synchronize(device)
    return time.perf_counter() - begun


def products_rate(device: torch.device) -> float:
    """Return the operations a second of large products: in bf16 on a GPU, in float32 on a CPU."""
    gpu = device.type == "cuda"
    size, kind = (8192, torch.bfloat16) if gpu else (512, torch.float32)
    left, right = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    best = math.inf
    for _ in range(20):
        best = min(best, timed(lambda: torch.mm(left, right), device))
    return 2 * size**3 / best


def measure(row: Row, step: Step, device: torch.device, seconds: float, steps: int) -> float:
    """Return the seconds of a step: the median of as many as there is time for."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    row.first_seconds = timed(step, device)
    timed(step, device)  # the second may still choose kernels
    begun, times = time.perf_counter(), list[float]()
    while len(times) < min(3, steps) or (
        len(times) < steps and time.perf_counter() - begun < seconds
    ):
        times.append(timed(step, device))
    if device.type == "cuda":
        row.memory_gb = torch.cuda.max_memory_allocated() / 1e9
    return float(np.median(times))


def run_row(
    row: Row,
    architecture: AnyArchitecture,
    device: torch.device,
    *,
    tokens: int,
    seconds: float,
    steps: int,
) -> float:
    """Fill a row; return the seconds of a step, 0 if there is no room for a single input."""
    words = getattr(architecture, "published_vocabulary", None) or 16
    row.inputs = max(1, tokens // row.length)
    while row.inputs:
        taken = attempt(row, architecture, words, device, seconds, steps)
        if taken:
            return taken
        row.inputs //= 2
    row.note = "does not fit"
    return 0.0


def attempt(
    row: Row,
    architecture: AnyArchitecture,
    words: int,
    device: torch.device,
    seconds: float,
    steps: int,
) -> float:
    """Return the seconds of a step, 0 if the memory does not suffice."""
    step = None
    try:
        step = make_step(architecture, words, row.inputs, row.precision, row.compiled, device)
        return measure(row, step, device, seconds / 3, steps)
    except RuntimeError as error:
        if not no_memory_left(error):
            raise
        return 0.0
    finally:
        del step
        torch.compiler.reset()
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def benchmark(
    presets: dict[str, dict[str, Any]],
    variants: tuple[tuple[str, bool], ...],
    device: torch.device,
    *,
    seconds: float,
    tokens: int,
    steps: int = 30,
) -> Iterator[Row]:
    """Yield a row for each model and variant; each has an equal share of the time that is left."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    peak, products = peak_flops(name), products_rate(device)
    print(f"{name}: {products / 1e12:.3g} TFLOP/s in large products, ", end="")
    print("peak unknown" if peak is None else f"{peak / 1e12:.4g} promised", "\n")
    plan = [(*item, *variant) for variant in variants for item in presets.items()]
    end = time.monotonic() + seconds
    for number, (preset, changes, precision, compiled) in enumerate(plan):
        shape = load_architecture(preset, changes, [ROOT / "config" / "models"])
        row = Row(preset, shape.input_length, precision, compiled)
        share = (end - time.monotonic()) / (len(plan) - number)
        try:
            # A row may take more than its share as long as the others still have half of theirs.
            with time_limit(min(3 * share, (end - time.monotonic() + share) / 2)):
                taken = run_row(row, shape, device, tokens=tokens, seconds=share, steps=steps)
        except TimeIsUp:
            row.note, taken = "left out: the time was up", 0.0
        except Exception as error:  # a row that fails must not cost those that follow
            row.note, taken = f"failed: {str(error).splitlines()[0][:80]}", 0.0
        if taken:
            row.tokens_per_second = row.inputs * row.length / taken
            words = getattr(shape, "published_vocabulary", None) or 16
            used = row.tokens_per_second * training_flops(shape, words)
            row.of_peak = used / peak if peak else None
            row.of_products = used / products
        yield row


def line(row: Row) -> str:
    def share(value: float | None) -> str:
        return "" if value is None else f"{value:.1%}"

    cells = [row.preset, f"{row.length:,}", row.precision, "yes" if row.compiled else "no"]
    if row.note:
        return f"| {' | '.join([*cells, row.note, '', '', '', '', ''])} |"
    memory = "" if row.memory_gb is None else f"{row.memory_gb:.1f}"
    cells += [str(row.inputs), f"{row.tokens_per_second:,.0f}", share(row.of_peak)]
    return f"| {' | '.join([*cells, share(row.of_products), memory, f'{row.first_seconds:.1f}'])} |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mini", action="store_true", help="the small presets, not compiled")
    parser.add_argument("--only", nargs="+", help="some of the presets")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all rows together")
    parser.add_argument("--tokens", type=int, help="of a step, if they fit")
    parser.add_argument("--steps", type=int, default=30, help="most steps of a row")
    parser.add_argument("--json", type=Path, help="write the rows to a file, too")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not options.mini:
        parser.error("there is no GPU here: give --mini for the small models")
    presets = MINIS if options.mini else PRESETS
    if options.only:
        unknown = sorted(set(options.only) - set(presets))
        if unknown:
            parser.error(f"no such preset: {', '.join(unknown)}; there are {', '.join(presets)}")
        presets = {name: presets[name] for name in options.only}
    variants = VARIANTS if not options.mini else tuple(v for v in VARIANTS if not v[1])
    tokens = options.tokens or (4096 if options.mini else 131_072)
    rows = []
    found = benchmark(
        presets, variants, device,
        seconds=60 * options.minutes, tokens=tokens, steps=options.steps,
    )  # fmt: skip
    for row in found:
        if not rows:
            print(HEAD)
        rows.append(row)
        print(line(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
