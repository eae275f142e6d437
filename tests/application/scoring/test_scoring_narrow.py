"""One token's hidden vector, at the cost of what it depends on: the same numbers."""

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline_lib.application.scoring.narrow import Narrow, can_narrow
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.transformer import Transformer

BASE = {
    "layers": 3, "width": 16, "heads": 2, "feedforward_width": 32, "context_length": 64,
    "init_std": 0.3, "dropout": 0.0,
}  # fmt: skip
LOCAL = {"attention": "local", "positions": "rotary", "local_window": 8, "norm": "pre"}
SHAPES: dict[str, dict[str, Any]] = {
    "bert": {},
    "one layer": {"layers": 1},
    "local": LOCAL | {"global_every": 3, "feedforward": "gated", "bias": False},
    "local below": LOCAL | {"global_every": 2, "layers": 4, "final_norm": True},
    "shared": {"share_layers": True, "embedding_width": 8},
    "causal": {"family": "gpt2", "attention": "causal", "norm": "pre", "final_norm": True},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("length", [5, 40])
@pytest.mark.parametrize(("padded", "table"), [(False, True), (True, True), (True, False)])
def test_the_same_numbers_as_the_whole_model(
    name: str, length: int, padded: bool, table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not table:
        monkeypatch.setattr("pipeline_lib.application.scoring.narrow.MOST_ENTERING", 0)
    torch.manual_seed(1)
    encoder = Transformer(Architecture(**BASE | SHAPES[name]), 11).eval()
    assert can_narrow(encoder)
    tokens = torch.randint(11, (4, length))
    place = torch.tensor([0, length // 2, length - 1, 1])
    mask: Tensor | None = None
    if padded:
        mask = torch.ones_like(tokens, dtype=torch.bool)
        mask[1, length // 2 + 1 :] = False
        mask[3, 3:] = False
    with torch.inference_mode():
        whole = encoder(tokens, mask)[torch.arange(4), place]
        found = Narrow(encoder).hidden_at(tokens, mask, place)
    assert torch.allclose(found, whole, atol=1e-5), float((found - whole).abs().max())


def test_architectures_that_it_does_not_know() -> None:
    sparse = Architecture(**BASE, attention="sparse", block_size=4)
    assert not can_narrow(Transformer(sparse, 11))
