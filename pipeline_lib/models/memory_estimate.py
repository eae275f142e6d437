"""How much memory a model takes, before anything is allocated.

Weights are counted; what is kept for the backward pass is estimated from the operations of each
layer. Attention is taken to be fused: no square of the length is kept. What a single operation
needs while it runs, and what an allocator wastes, comes on top.
"""

from functools import lru_cache
from typing import Literal, NamedTuple

import torch

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.attention import attention_kind
from pipeline_lib.models.build import build_model

Precision = Literal["float32", "bfloat16"]
"""Of the computation; weights, gradients and the optimizer are in float32."""

OPTIMIZERS = {"adamw": 2, "sgd": 1, "none": 0}
"""Numbers that an optimizer keeps for each weight."""
_MASKED_SHARE = 0.15
"""Share of tokens that a model of masked tokens predicts (Devlin et al. 2019)."""


class MemoryEstimate(NamedTuple):
    """Bytes of memory.

    Attributes
    ----------
    weights, gradients, optimizer
        What does not depend on the input.
    activations
        What the forward pass keeps: for the backward pass, or for the next layer.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


class _Values(NamedTuple):
    """Numbers kept for each token.

    Attributes
    ----------
    rough, exact
        In the precision of the computation, and always in float32.
    gathered
        As ``rough``, but on a CPU in float32 an operation of our own computes them again.
    once
        In float32, for each position and not for each sequence of a batch.
    """

    rough: float = 0.0
    exact: float = 0.0
    gathered: float = 0.0
    once: float = 0.0

    def bytes(self, tokens: float, batch_size: int, precision: Precision) -> float:
        """Return the bytes of so many tokens."""
        always = 4 * tokens * (self.exact + self.once / batch_size)
        if precision == "float32":
            return 4 * tokens * self.rough + always
        return 2 * tokens * (self.rough + self.gathered) + always


def estimate(
    architecture: AnyArchitecture,
    vocab_size: int,
    *,
    batch_size: int,
    length: int,
    precision: Precision = "float32",
    optimizer: str = "adamw",
    checkpointing: bool = False,
    training: bool = True,
) -> MemoryEstimate:
    """Estimate the memory that a model takes.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    batch_size, length
        Sequences in a batch, and tokens in a sequence; those of one device and one pass.
    precision
        Of the computation.
    optimizer
        One of :data:`OPTIMIZERS`.
    checkpointing
        Whether layers are recomputed in the backward pass.
    training
        False: no gradients and no optimizer, and one layer at a time.

    Returns
    -------
    MemoryEstimate
        In bytes.
    """
    parameters = count_parameters(architecture, vocab_size)
    tokens, kept = _tokens_kept(architecture, batch_size, length)
    each = [_layer(architecture, layer, kept / batch_size) for layer in range(architecture.layers)]
    layers = [values.bytes(kept, batch_size, precision) for values in each]
    if not training:
        scores = 4 * vocab_size * _predicted(architecture) * tokens
        return MemoryEstimate(4 * parameters, 0, 0, int(max(layers) + scores))
    activations = _ends(architecture, vocab_size).bytes(kept, batch_size, precision)
    if checkpointing or getattr(architecture, "checkpointing", False):
        activations += max(layers) + 4 * architecture.width * kept * len(layers)
    else:
        activations += sum(layers)
    if precision == "bfloat16":
        activations += 2 * parameters  # the weights once more, as the products take them
    state = OPTIMIZERS[optimizer] * 4 * parameters
    return MemoryEstimate(4 * parameters, 4 * parameters, state, int(activations))


@lru_cache(maxsize=256)
def count_parameters(architecture: AnyArchitecture, vocab_size: int) -> int:
    """Return the number of weights of a model, which is not built for it."""
    with torch.device("meta"):
        model = build_model(architecture, vocab_size, range(vocab_size))
    return sum(parameter.numel() for parameter in model.parameters())


def _tokens_kept(architecture: AnyArchitecture, batch_size: int, length: int) -> tuple[int, float]:
    """Return the tokens of a batch, and how many the forward pass holds at a time."""
    tokens = batch_size * length
    if isinstance(architecture, HyenaArchitecture):
        return tokens, tokens * (2 if architecture.equivariant else 1)
    memory = architecture.memory
    if memory is None:
        return tokens, tokens
    pieces = max(1, -(-(length - 2) // memory.room(architecture.context_length)))
    together = min(pieces, memory.depth or pieces) if not memory.checkpointing else 1
    segment = min(length + memory.head, architecture.context_length)
    return tokens, batch_size * segment * together


def _layer(architecture: AnyArchitecture, layer: int, length: float) -> _Values:
    if isinstance(architecture, HyenaArchitecture):
        return _hyena_layer(architecture)
    return _transformer_layer(architecture, layer, length)


def _transformer_layer(shape: Architecture, layer: int, length: float) -> _Values:
    """Return what a layer keeps of each token."""
    width, inner = shape.width, shape.feedforward_width
    norms = 2 * (width + 2)  # inputs of both, their means and deviations
    rough = 6 * width  # input; query, key and value; gathered; input of the feed-forward part
    if shape.positions == "rotary":
        rough += 2 * width
    if shape.feedforward == "conv":
        rough += 2 * width  # the input three times
    else:
        rough += 4 * inner if shape.feedforward == "gated" else 2 * inner
    exact, gathered = float(norms + shape.heads), 0.0
    kind = attention_kind(shape, layer)
    if kind == "local":
        reach = shape.local_window // 2
        seen = length if length <= 3 * reach else 3 * reach
        exact += seen  # the mask, the same for all heads
        rough += width
    elif kind == "sparse" and length > shape.block_size * _dense_blocks(shape):
        blocks = shape.window_blocks + shape.global_blocks + shape.random_blocks
        rough += 3 * width  # query, key and value in blocks
        gathered += 2 * width * blocks  # the blocks of keys and values that each block sees
        exact += shape.heads * blocks  # and their mask
    return _Values(rough + (0.5 if shape.dropout else 0) * width, exact, gathered)


def _dense_blocks(shape: Architecture) -> int:
    return shape.window_blocks + shape.global_blocks + 2 * shape.random_blocks


def _hyena_layer(shape: HyenaArchitecture) -> _Values:
    width, inner = shape.width, shape.filter_width
    rough = 6 * width + 2 * shape.feedforward_width
    # Filters, as long as the input and in float32: sine layers, taps, and their spectrum.
    directions = 2 if shape.bidirectional else 1
    filters = 3 * shape.filter_layers * inner + 2 * directions * width + 2 * width
    return _Values(rough, 2 * (width + 2), once=filters)


def _ends(architecture: AnyArchitecture, vocab_size: int) -> _Values:
    """Return what embedding and output layer keep of each token."""
    width = architecture.width
    share = _predicted(architecture)
    rough, exact = share * 4 * width, share * vocab_size
    if isinstance(architecture, HyenaArchitecture):
        return _Values(rough + width, exact + width)
    narrow = architecture.embedding_width or width
    rough += narrow * sum(architecture.embedding_kernels)
    rough += narrow if architecture.embedding_width else 0
    exact += narrow * architecture.embedding_norm + width * architecture.final_norm
    return _Values(rough, exact)


def _predicted(architecture: AnyArchitecture) -> float:
    """Return the share of tokens that are predicted in training."""
    if isinstance(architecture, HyenaArchitecture):
        return _MASKED_SHARE if architecture.bidirectional else 1.0
    return 1.0 if architecture.attention == "causal" else _MASKED_SHARE
