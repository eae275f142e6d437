"""Small HyenaDNA models for tests."""

import torch

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.hyena_language import HyenaLanguageModel

VOCABULARY = 16
COMPLEMENTS = [0, 1, 2, 3, 4, 5, 6, 10, 9, 8, 7, 11, 12, 13, 14, 15]


def small(**changes: object) -> HyenaArchitecture:
    """Return a tiny architecture; the large initial weights make differences visible."""
    shape = {
        "layers": 2, "width": 12, "feedforward_width": 24, "context_length": 40,
        "filter_width": 10, "embedding_dropout": 0.0, "init_std": 0.3,
    }  # fmt: skip
    return HyenaArchitecture(**{**shape, **changes})


def small_model(seed: int = 1, **changes: object) -> HyenaLanguageModel:
    """Return a model of which norms and biases, too, are random."""
    torch.manual_seed(seed)
    model = HyenaLanguageModel(small(**changes), VOCABULARY, COMPLEMENTS).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and "frequency" not in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return model


def bases(*shape: int) -> torch.Tensor:
    """Return random A, C, G and T."""
    return torch.randint(7, 11, shape)
