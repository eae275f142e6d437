"""How much memory a tuning run takes, from the configuration alone: without torch."""

import math

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.models.sizes import count_weights

NUMBER = 4
"""Bytes of a number."""
BASE_MB, LEAST_MB = 1500, 3000
"""Of Python, torch and the examples; and what a small model is given."""
COPIES = {"full": 6, "few_shot": 6, "lora": 2, "prompt": 2, "probe": 2}
"""How often weights are held: themselves and, where all are trained, their gradients, two moments,
the best so far, and those on their way to the disk; as they are loaded they are there twice."""
SCORED_AT_A_TIME = 128
"""Examples that are scored together; of them one layer is held at a time."""


def tuning_mb(architecture: AnyArchitecture, vocab_size: int, settings: FinetuningSettings) -> int:
    """Estimate the memory of a tuning run whose examples fill the context.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    settings
        Method, batch size and precision; of a grid what takes most.

    Returns
    -------
    int
        MB.
    """
    weights = NUMBER * COPIES[settings.method] * count_weights(architecture, vocab_size)
    sizes = (settings.batch_size, *(settings.grid.batch_size if settings.grid else ()))
    together = math.ceil(max(sizes) / settings.accumulation)
    # Both blocks keep their inputs, the feed-forward block what is inside it as well.
    layer = 10 * architecture.width + 4 * architecture.feedforward_width
    token = NUMBER * layer * (architecture.layers if settings.method != "probe" else 0)
    trained = together * architecture.input_length * token
    scored = SCORED_AT_A_TIME * architecture.input_length * NUMBER * layer
    total = BASE_MB + (weights + max(trained, scored)) / 1e6
    return max(LEAST_MB, 100 * math.ceil(total / 100))
