"""Small models of every shape."""

import pytest
import torch

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.masked import MaskedLanguageModel

VOCABULARY = 40


def small(**changes: object) -> Architecture:
    """Return a tiny architecture; the large initial weights make differences visible."""
    shape = {
        "layers": 2, "width": 32, "heads": 4, "feedforward_width": 48,
        "context_length": 24, "dropout": 0.0, "init_std": 0.2,
    }  # fmt: skip
    return Architecture(**{**shape, **changes})


SHAPES = {
    "bert": small(),
    "pre-norm": small(norm="pre", final_norm=True),
    "rotary": small(norm="pre", positions="rotary"),
}


@pytest.fixture(params=SHAPES, ids=str)
def model(request: pytest.FixtureRequest) -> MaskedLanguageModel:
    torch.manual_seed(1)
    model = MaskedLanguageModel(SHAPES[request.param], VOCABULARY).eval()
    for parameter in model.parameters():  # biases and norms too, so that none can be mixed up
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model
