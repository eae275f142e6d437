"""Training and generation of the Transformers, beside the classes of ``transformers``.

    python benchmarks/models.py [--only bert bigbird] [--rounds 5] [--threads 2]

Ours and the peer have the same shape and weights and take turns in one process; a row compares
their medians. A training step is forward, backward and AdamW, in fp32 without dropout. "Ragged"
documents have 50 to 512 tokens: ours lie end to end, the peer's are padded to the longest, and
padding does not count. 15 % of the tokens are predicted, or the next one everywhere; the peer
computes its loss as it does with ``labels``. Importing is not timed, nor the first step.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapters import adapter_of
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.generation import generate

VOCABULARY, FIRST, MASK, PAD = 4096, 5, 4, 3
MASK_SHARE = 0.15
Step = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """A model, its documents, and the ratio that is aimed at."""

    what: str
    architecture: dict[str, Any]
    lengths: list[int]
    target: float


BERT = {"layers": 4, "width": 256, "heads": 4, "feedforward_width": 1024, "dropout": 0.0}
MODERN = {
    **BERT, "family": "modernbert", "layers": 6, "feedforward_width": 384, "context_length": 1024,
    "norm": "pre", "final_norm": True, "first_norm": False, "bias": False, "positions": "rotary",
    "attention": "local", "feedforward": "gated", "norm_epsilon": 1e-5,
}  # fmt: skip
LOGO = {
    **BERT, "family": "albert", "layers": 2, "heads": 8, "embedding_width": 128,
    "share_layers": True,
}  # fmt: skip
GPT = {
    **BERT, "family": "gpt2", "norm": "pre", "final_norm": True, "embedding_norm": False,
    "attention": "causal", "activation": "gelu_tanh", "norm_epsilon": 1e-5, "bias": False,
}  # fmt: skip
BIGBIRD = {
    **BERT, "family": "bigbird", "layers": 2, "context_length": 8192, "attention": "sparse",
    "activation": "gelu_tanh",
}  # fmt: skip


def rows() -> dict[str, Row]:
    generator = torch.Generator().manual_seed(0)
    ragged = torch.randint(50, 513, (16,), generator=generator).tolist()
    return {
        "bert": Row("BERT 4/256/4, ragged", BERT, ragged, 1.5),
        "bert-base": Row(
            "BERT 2/768/12, ragged",
            BERT | {"layers": 2, "width": 768, "heads": 12, "feedforward_width": 3072},
            ragged[:8], 1.5,
        ),
        "moderngena": Row("ModernGENA 6/256/4, ragged", MODERN, ragged, 1.5),
        "bigbird": Row("BigBird 2/256/4, 4,096 tokens", BIGBIRD, [4096], 3.0),
        "logo": Row("LOGO 2/256/8, 512 tokens", LOGO, [512] * 8, 1.2),
        "logo-ragged": Row("LOGO 2/256/8, ragged", LOGO, ragged, 1.2),
        "dnagpt": Row("DNAGPT 4/256/4, 512 tokens", GPT, [512] * 8, 1.2),
        "dnagpt-ragged": Row("DNAGPT 4/256/4, ragged", GPT, ragged, 1.2),
    }  # fmt: skip


def our_step(model: LanguageModel, documents: list[Tensor]) -> Step:
    """Return a training step as pretraining makes it: end to end, scores where they are asked."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    inputs, targets, answers = questions(documents, model.causal)
    lengths = [len(document) for document in documents]
    same = len(set(lengths)) == 1

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        if same:
            shape = (len(lengths), lengths[0])
            logits = model(inputs.view(shape), None, targets.view(shape))
        else:
            logits = model(inputs, None, targets, lengths=lengths)
        loss = functional.cross_entropy(logits, answers)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def peer_step(peer: Any, documents: list[Tensor], causal: bool) -> Step:
    """Return a training step of ``transformers``: padded, with ``labels``."""
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-5)
    inputs, targets, _ = questions(documents, causal)
    lengths = [len(document) for document in documents]
    labels = torch.cat(documents).masked_fill(~targets, -100) if not causal else inputs
    tokens, labels = (
        torch.nn.utils.rnn.pad_sequence(part.split(lengths), True, filler)
        for part, filler in ((inputs, PAD), (labels, -100))
    )
    mask = (torch.arange(tokens.shape[1]) < torch.tensor(lengths)[:, None]).long()

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = peer(input_ids=tokens, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def questions(documents: list[Tensor], causal: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the model sees, where it is asked, and the answers; end to end."""
    tokens = torch.cat(documents)
    if causal:
        last = torch.tensor([len(document) for document in documents]).cumsum(0) - 1
        targets = torch.ones_like(tokens, dtype=torch.bool)
        targets[last] = False
        return tokens, targets, tokens.roll(-1)[targets]
    targets = torch.rand(len(tokens), generator=torch.Generator().manual_seed(1)) < MASK_SHARE
    return tokens.masked_fill(targets, MASK), targets, tokens[targets]


def pair(architecture: Architecture) -> tuple[LanguageModel, Any]:
    """Return our model and the peer, with the same weights; biases that ours lacks are zero."""
    torch.manual_seed(0)
    model, adapter = build_model(architecture, VOCABULARY), adapter_of(architecture)
    settings = adapter.config(architecture, VOCABULARY)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    auto = AutoModelForCausalLM if model.causal else AutoModelForMaskedLM
    peer = auto.from_config(config)
    peer.load_state_dict(adapter.export(model), strict=False)
    peer.tie_weights()
    return model, peer.train()


def medians(steps: list[Step], rounds: int) -> list[tuple[float, float]]:
    """Return the median seconds and CPU seconds of each step; they take turns."""
    taken: list[list[tuple[float, float]]] = [[] for _ in steps]
    for _ in range(rounds):
        for own, step in zip(taken, steps, strict=True):
            began, cpu = time.perf_counter(), time.process_time()
            step()
            own.append((time.perf_counter() - began, time.process_time() - cpu))
    return [(median(wall for wall, _ in own), median(cpu for _, cpu in own)) for own in taken]


def training(row: Row, rounds: int) -> str:
    model, peer = pair(Architecture(**row.architecture))
    generator = torch.Generator().manual_seed(2)
    documents = [
        torch.randint(FIRST, VOCABULARY, (length,), generator=generator) for length in row.lengths
    ]
    steps = [our_step(model, documents), peer_step(peer, documents, model.causal)]
    losses = [step() for step in steps]
    # The peer's random blocks are others, all else is the same.
    assert abs(losses[0] - losses[1]) < 0.05, losses
    ours, theirs = medians(steps, rounds)
    tokens = sum(row.lengths)
    return (
        f"| {row.what} | {tokens / ours[0]:,.0f} | {tokens / theirs[0]:,.0f} "
        f"| {theirs[0] / ours[0]:.2f} | {theirs[1] / ours[1]:.2f} | {row.target} |"
    )


def generation(prefix: int, rounds: int) -> tuple[float, float]:
    """Return the seconds of one more token, by a cache of keys and values and without it."""
    torch.manual_seed(0)
    shape = Architecture(**GPT | {"context_length": 4096})
    model = build_model(shape, VOCABULARY).eval()
    assert isinstance(model, CausalLanguageModel)
    prompt = torch.randint(FIRST, VOCABULARY, (1, prefix))

    def taken(count: int, cached: bool) -> float:
        began = time.perf_counter()
        generate(model, prompt, count, cached=cached, generator=torch.Generator().manual_seed(0))
        return time.perf_counter() - began

    found: list[list[float]] = [[], []]
    for _ in range(rounds):
        # The difference of two lengths leaves out the prompt.
        found[0].append((taken(65, True) - taken(1, True)) / 64)
        found[1].append(taken(2, False) - taken(1, False))
    return median(found[0]), median(found[1])


def held(length: int) -> int:
    """Return the bytes that one step of BigBird holds for the backward pass."""
    total = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    model = build_model(Architecture(**BIGBIRD), VOCABULARY)
    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    tokens = torch.randint(FIRST, VOCABULARY, (1, length))
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: t if t.data_ptr() in parameters else count(t), lambda t: t
    ):
        model(tokens, None, torch.rand(1, length) < MASK_SHARE).sum()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*rows(), "generation", "bigbird-memory"]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="ROW",
                        help=", ".join(names))  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| what | ours, tokens/s | peer, tokens/s | ratio of medians | of CPU time | target |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    for name, row in rows().items():
        if name in options.only:
            print(training(row, options.rounds), flush=True)
    if "generation" in options.only:
        for prefix in (512, 1024, 2048):
            ours, again = generation(prefix, 3)
            what = f"DNAGPT 4/256/4, next token after {prefix:,}; peer: without cache"
            print(f"| {what} | {1 / ours:,.0f} | {1 / again:,.1f} | {again / ours:.1f} | | 10 |",
                  flush=True)  # fmt: skip
    if "bigbird-memory" in options.only:
        half, whole = held(4096), held(8192)
        print(f"| BigBird 2/256/4, MB held at 8,192 tokens; peer: at 4,096 "
              f"| {whole / 1e6:.0f} | {half / 1e6:.0f} | {whole / half:.2f} | | 2.0 |")  # fmt: skip


if __name__ == "__main__":
    main()
