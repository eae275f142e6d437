"""Small models of every shape."""

import pytest
import torch

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.build import LanguageModel, build_model
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


MODERN = small(
    family="modernbert", layers=4, norm="pre", final_norm=True, first_norm=False, bias=False,
    positions="rotary", rotary_theta=500.0, rotary_theta_local=100.0, attention="local",
    local_window=8, global_every=3, feedforward="gated", norm_epsilon=1e-5, context_length=64,
)  # fmt: skip
SPARSE = small(
    family="bigbird", attention="sparse", block_size=4, activation="gelu_tanh", context_length=96
)
ALBERT = small(
    family="albert", layers=3, share_layers=True, embedding_width=12, activation="gelu_tanh"
)
GPT = small(
    family="gpt2", attention="causal", norm="pre", final_norm=True, embedding_norm=False,
    activation="gelu_tanh", norm_epsilon=1e-5, scaled_init=True,
)  # fmt: skip
MASKED = {
    **SHAPES,
    "sinusoid": small(positions="sinusoid"),
    "half-rotary": small(norm="pre", positions="rotary", rotary_width=4),
    "modernbert": MODERN,
    "bigbird": SPARSE,
    "bigbird-deepspeed": SPARSE.model_copy(
        update={"global_place": "start", "random_layout": "shared", "norm": "pre"}
    ),
    "albert": ALBERT,
    "logo": ALBERT.model_copy(
        update={"feedforward": "conv", "embedding_kernels": (2, 3, 5), "share_layers": False}
    ),
}
CAUSAL = {
    "gpt2": GPT,
    "dnagpt": GPT.model_copy(update={"bias": False, "numbers": True, "output": "mlp"}),
}
FAMILIES = {**MASKED, **CAUSAL}


def shaken(architecture: Architecture, seed: int = 1) -> LanguageModel:
    """Return a random model; biases and norms too are random, so that none can be mixed up."""
    torch.manual_seed(seed)
    model = build_model(architecture, VOCABULARY).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model
