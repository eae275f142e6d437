"""Training of HyenaDNA against the published operator and against attention.

    python benchmarks/hyena.py [--rounds 2] [--threads 2] [--skip-attention]

Peers, in the same process and taking turns: the published operator written plainly in torch (a
filter for each layer, a depthwise `Conv1d`, an FFT of exactly twice the length, `einops`-like
transposes), and a Transformer with `scaled_dot_product_attention` of the same width and depth. All
in float32: a forward pass, the next-token loss, a backward pass. The peer of Hyena has the same
weights, and is first checked to give the same scores. Speeds are medians; one round of attention
at 32,768 tokens takes longer than all the rest.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_generation import generate
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.hyena_weights import to_published
from pipeline_lib.models.sampling import Sampling

TINY = {"layers": 2, "width": 128, "feedforward_width": 512}
SMALL = {"layers": 4, "width": 256, "feedforward_width": 1024}
CASES = {"tiny-1k": (TINY, 1024, 8), "tiny-32k": (TINY, 32_768, 1), "small-32k": (SMALL, 32_768, 1)}
VOCABULARY = 16


class Sine(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.freq = nn.Parameter(torch.full((1, size), 10.0))

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.sin(self.freq * hidden)


class PlainPositions(nn.Module):
    def __init__(self, taps: int) -> None:
        super().__init__()
        self.register_buffer("z", torch.zeros(1, taps, 5))
        self.register_buffer("t", torch.zeros(1, taps, 1))


class PlainModulation(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("deltas", torch.zeros(1, 1, width))


class PlainFilter(nn.Module):
    def __init__(self, width: int, taps: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        sine = Sine(64)
        self.implicit_filter = nn.Sequential(
            nn.Linear(5, 64), sine, nn.Linear(64, 64), sine, nn.Linear(64, 64), sine,
            nn.Linear(64, width, bias=False),
        )  # fmt: skip
        self.pos_emb = PlainPositions(taps)
        self.modulation = PlainModulation(width)

    def forward(self, length: int) -> Tensor:
        taps = self.implicit_filter(self.pos_emb.z[:, :length])
        decay = torch.exp(-self.pos_emb.t[:, :length] * self.modulation.deltas.abs())
        return (taps * (decay + 0.05))[0].transpose(0, 1)  # (width, length)


class PlainOperator(nn.Module):
    def __init__(self, width: int, taps: int) -> None:
        super().__init__()
        self.width = width
        self.in_proj = nn.Linear(width, 3 * width)
        self.short_filter = nn.Conv1d(3 * width, 3 * width, 3, padding=2, groups=3 * width)
        self.filter_fn = PlainFilter(width, taps)
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        length = hidden.shape[1]
        projected = self.in_proj(hidden).transpose(1, 2)
        outer, inner, value = self.short_filter(projected)[..., :length].split(self.width, dim=1)
        value = value * inner
        size = 2 * length
        kernel = torch.fft.rfft(self.filter_fn(length), n=size) / size
        spectrum = torch.fft.rfft(value, n=size)
        mixed = torch.fft.irfft(spectrum * kernel, n=size, norm="forward")[..., :length]
        mixed = mixed + value * self.filter_fn.bias[:, None]
        return self.out_proj((mixed * outer).transpose(1, 2))


class PlainFeedforward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(hidden), approximate="tanh"))


class PlainLayer(nn.Module):
    def __init__(self, width: int, inner: int, taps: int) -> None:
        super().__init__()
        self.mixer = PlainOperator(width, taps)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = PlainFeedforward(width, inner)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.mixer(self.norm1(hidden))
        return hidden + self.mlp(self.norm2(hidden))


class PlainHyena(nn.Module):
    """The published model, with the published names of its weights."""

    def __init__(self, shape: HyenaArchitecture) -> None:
        super().__init__()
        width, inner = shape.width, shape.feedforward_width
        self.backbone = nn.Module()
        self.backbone.embeddings = nn.Module()
        self.backbone.embeddings.word_embeddings = nn.Embedding(VOCABULARY, width)
        self.backbone.layers = nn.ModuleList(
            PlainLayer(width, inner, shape.taps) for _ in range(shape.layers)
        )
        self.backbone.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)
        self.lm_head.weight = self.backbone.embeddings.word_embeddings.weight

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.backbone.embeddings.word_embeddings(tokens)
        for layer in self.backbone.layers:
            hidden = layer(hidden)
        return self.lm_head(self.backbone.ln_f(hidden))


def attention(shape: dict[str, int], length: int) -> CausalLanguageModel:
    return CausalLanguageModel(
        Architecture(
            family="gpt2", attention="causal", norm="pre", final_norm=True, embedding_norm=False,
            activation="gelu_tanh", heads=8, context_length=length, dropout=0.0, **shape,
        ),
        VOCABULARY,
    )  # fmt: skip


class Taken(NamedTuple):
    wall: float
    cpu: float


def timed(action: Callable[[], object]) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def median(times: Sequence[Taken]) -> Taken:
    wall, cpu = (statistics.median(values) for values in zip(*times, strict=True))
    return Taken(wall, cpu)


def step(model: nn.Module, scores: Callable[[Tensor], Tensor], tokens: Tensor) -> Taken:
    """Return the time of one step without that of the optimizer."""

    def both_passes() -> None:
        logits = scores(tokens)[:, :-1].flatten(0, 1)
        functional.cross_entropy(logits, tokens[:, 1:].flatten()).backward()

    taken = timed(both_passes)
    model.zero_grad(set_to_none=True)
    return taken


def compare(name: str, rounds: int, with_attention: bool) -> None:
    shape, length, batch = CASES[name]
    torch.manual_seed(0)
    architecture = HyenaArchitecture(context_length=length, embedding_dropout=0.0, **shape)
    ours, plain = HyenaLanguageModel(architecture, VOCABULARY), PlainHyena(architecture)
    plain.load_state_dict(to_published(ours))
    tokens = torch.randint(7, 11, (batch, length))
    with torch.no_grad():
        difference = float((ours(tokens) - plain(tokens)).abs().max())
    assert difference < 1e-3, f"the peer is another model: scores differ by {difference}"
    times: list[list[Taken]] = [[], []]
    for _ in range(rounds + 1):  # the first one warms up
        for model, taken in zip((ours, plain), times, strict=True):
            taken.append(step(model, model, tokens))
    mine, theirs = (median(taken[1:]) for taken in times)
    row(f"{name}, {length:,} tokens x {batch}", "published, plain", mine, theirs, tokens.numel())
    if with_attention:
        peer = attention(shape, length)
        everywhere = torch.ones_like(tokens, dtype=torch.bool)
        tried = 1 if length > 4096 else rounds
        slow = [
            step(peer, lambda t: peer(t, None, everywhere).view(*t.shape, -1), tokens)
            for _ in range(tried)
        ]
        row(
            f"{name}, {length:,} tokens x {batch}",
            "attention", mine, median(slow), tokens.numel(),
        )  # fmt: skip


def compare_generation(prompt: int, count: int) -> None:
    torch.manual_seed(0)
    architecture = HyenaArchitecture(context_length=prompt + count, **TINY)
    model = HyenaLanguageModel(architecture, VOCABULARY).eval()
    tokens = torch.randint(7, 11, (1, prompt))
    chosen = Sampling(temperature=0)
    mine = timed(lambda: generate(model, tokens, count, sampling=chosen))
    mine = Taken(mine.wall / count, mine.cpu / count)
    with torch.no_grad():
        again = [timed(lambda: model(tokens)[:, -1].argmax()) for _ in range(20)]
    row(f"tiny, generation after {prompt:,}", "full recompute", mine, median(again), 1)


def row(what: str, peer: str, mine: Taken, theirs: Taken, tokens: int) -> None:
    speeds = [f"{tokens / taken.wall:,.0f}" for taken in (mine, theirs)]
    ratios = [f"{theirs.wall / mine.wall:.2f}", f"{theirs.cpu / mine.cpu:.2f}"]
    print("|", " | ".join([what, peer, *speeds, *ratios]), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--skip-attention", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| what | peer | tokens/s | of the peer | ratio | ratio of CPU time |")
    print("|---|---|---:|---:|---:|---:|")
    for name in options.cases:
        compare(name, options.rounds, not options.skip_attention)
    compare_generation(1024, 512)


if __name__ == "__main__":
    main()
