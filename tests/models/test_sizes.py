"""Numbers of weights, beside those of the models themselves."""

from pathlib import Path

import pytest
import torch

from pipeline_lib.config import load_architecture
from pipeline_lib.models.build import build_model
from pipeline_lib.models.sizes import count_layer_matrices, count_weights
from pipeline_lib.pretraining.optimizer import layer_matrices

PRESETS = sorted(
    file.stem for file in (Path(__file__).parents[2] / "config" / "models").glob("*.yaml")
)
CHANGES: dict[str, list[dict[str, object]]] = {
    "hyena-mini": [{"bidirectional": True, "tied_output": False}, {"filter_layers": 1}],
    "bert-mini": [{"bias": False}, {"embedding_width": 16, "memory": {"tokens": 3}}],
    "logo-mini": [{"tracks": 3, "share_layers": False}],
    "dnagpt-mini": [{"numbers": False, "bias": True}, {"output": "tied"}],
}


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_are_counted_without_a_model(preset: str, root: Path) -> None:
    for changes in ({}, *CHANGES.get(preset, [])):
        shape = load_architecture(preset, changes, [root / "config" / "models"])
        with torch.device("meta"):
            model = build_model(shape, 40, range(40))
        assert count_weights(shape, 40) == sum(p.numel() for p in model.parameters()), changes
        assert count_layer_matrices(shape) == sum(p.numel() for p in layer_matrices(model))
