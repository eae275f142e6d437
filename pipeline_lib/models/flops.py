"""Floating-point operations of training, from the shape of a model alone: without torch.

What is counted is what the model asks for, whatever a program does to get it: recomputation in the
backward pass, padding, and scores that a mask throws away are not counted. A share of a device's
peak that is computed from these figures is a model FLOPs utilisation (Chowdhery et al. 2022,
appendix B).
"""

import math
import re
from dataclasses import dataclass

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture

MASK_SHARE = 0.15
"""Share of tokens that a model of masked tokens predicts (Devlin et al. 2019)."""


@dataclass(frozen=True)
class TokenFlops:
    """Floating-point operations for one token, forward and backward.

    Attributes
    ----------
    matrices
        Products with weights: 6 for each weight and token (Kaplan et al. 2020, section 2.1).
    attention
        Scores and weighted sums: 12 for each layer, channel and token that is seen.
    convolutions
        Long convolutions by FFT and short ones; not a matter of matrix units.
    """

    matrices: float = 0.0
    attention: float = 0.0
    convolutions: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return self.matrices + self.attention + self.convolutions


def training_flops(
    architecture: AnyArchitecture,
    vocab_size: int,
    length: int | None = None,
    *,
    mask_share: float = MASK_SHARE,
) -> float:
    """Return the floating-point operations of training for one token of the input.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    length
        Tokens of an input; default: the longest that the model takes.
    mask_share
        Share of the tokens that are predicted, by a model of masked tokens: the output layer is
        computed nowhere else. A model of the next token predicts all.
    """
    return token_flops(architecture, vocab_size, length, mask_share=mask_share).total


def token_flops(
    architecture: AnyArchitecture,
    vocab_size: int,
    length: int | None = None,
    *,
    mask_share: float = MASK_SHARE,
) -> TokenFlops:
    """Return the same as :func:`training_flops`, by kind."""
    tokens = length or architecture.input_length
    if isinstance(architecture, HyenaArchitecture):
        return _hyena(architecture, vocab_size, tokens, mask_share)
    if architecture.memory is None:
        return _transformer(architecture, vocab_size, tokens, 1.0, mask_share)
    # Segments also hold memory and separators, which are work but no tokens of the input.
    room = architecture.memory.room(architecture.context_length)
    pieces = max(1, -(-(tokens - 2) // room))
    read = tokens - 2 + pieces * (architecture.memory.head + 1)
    segment = math.ceil(read / pieces)
    return _transformer(architecture, vocab_size, segment, read / tokens, mask_share)


def _transformer(
    shape: Architecture, vocab_size: int, length: int, read: float, mask_share: float
) -> TokenFlops:
    """Return those of inputs of so many tokens; ``read`` are read for each that counts."""
    width, inner = shape.width, shape.feedforward_width
    narrow = shape.embedding_width or width
    kinds = {"mlp": 2 * width * inner, "gated": 3 * width * inner, "conv": 3 * width * width}
    weights: float = shape.layers * (4 * width * width + kinds[shape.feedforward])
    weights += sum(shape.embedding_kernels) * narrow * narrow
    weights += narrow * width if shape.embedding_width else 0
    seen = sum(_seen(shape, layer, length) for layer in range(shape.layers))
    output: float
    if shape.attention == "causal":
        output = width * vocab_size + (width * width if shape.output == "mlp" else 0)
    else:
        output = mask_share * (width * narrow + narrow * vocab_size)
    return TokenFlops(6 * (read * weights + output), 12 * read * width * seen)


def _seen(shape: Architecture, layer: int, length: int) -> float:
    """Return how many tokens a token sees in a layer, on average."""
    if shape.attention == "causal":
        return (length + 1) / 2
    if shape.attention == "local" and layer % shape.global_every:
        return min(length, shape.local_window + 1)
    if shape.attention == "sparse":
        fixed = shape.window_blocks + shape.global_blocks
        blocks = length / shape.block_size
        if blocks > fixed + 2 * shape.random_blocks:  # shorter inputs are attended to in full
            whole = shape.global_blocks / blocks
            few = (fixed + shape.random_blocks) * shape.block_size
            return whole * length + (1 - whole) * few
    return length


def _hyena(shape: HyenaArchitecture, vocab_size: int, length: int, mask_share: float) -> TokenFlops:
    """Return those of a stack of Hyena operators, of which each input makes its own filters."""
    width, inner = shape.width, shape.filter_width
    directions = 2 if shape.bidirectional else 1
    taps = min(length, shape.taps)
    layer = 4 * width * width + 2 * width * shape.feedforward_width
    filters = shape.filter_features * inner + (shape.filter_layers - 1) * inner * inner
    filters += inner * width * directions
    strands = 2 if shape.equivariant else 1
    output = width * vocab_size * (mask_share if shape.bidirectional else 1.0)
    matrices = 6 * (shape.layers * (strands * layer + filters * taps / length) + strands * output)
    # A real FFT of n numbers takes 2.5 n log2(n) operations (half of Cooley and Tukey's 5 n
    # log2(n)). Of the values there are 4: there and back in both passes; of the filter 2.
    size = length + taps - 1
    fft = 2.5 * size * math.log2(size)
    long = width * ((4 * strands + 2) * fft + 3 * 3 * size * strands) / length
    short = strands * 6 * 3 * width * shape.short_filter
    return TokenFlops(matrices, 0.0, shape.layers * (long + short))


_PEAKS = (
    (r"B200", r"GB200", 2500e12),
    (r"B200", r"", 2250e12),
    (r"H100|H800", r"PCIe", 756e12),
    (r"H100|H200", r"NVL", 835e12),
    (r"H100|H200|H800|GH200", r"", 989e12),
    (r"H20", r"", 148e12),
    (r"A100|A800", r"", 312e12),
    (r"A40", r"", 149.7e12),
    (r"A30", r"", 165e12),
    (r"A10G", r"", 70e12),
    (r"A10", r"", 125e12),
    (r"RTX A6000", r"", 154.8e12),
    (r"L40S", r"", 362e12),
    (r"L40", r"", 181e12),
    (r"L4", r"", 121e12),
    (r"RTX 3090", r"", 71e12),
    (r"RTX 4090", r"", 165.2e12),
    (r"V100", r"PCI", 112e12),
    (r"V100", r"", 125e12),
    (r"MI300X|MI325X", r"", 1307e12),
    (r"MI300A", r"", 981e12),
    (r"MI250X", r"", 191.5e12),
    (r"MI250|MI210", r"", 181e12),
)
"""Names, what else the name says, and dense bf16 operations a second with sums in float32.

From the vendors' datasheets and white papers; where only a figure with sparsity is given, half of
it. V100 has no bf16: the figure is that of fp16. MI250 and MI250X are two devices each: of one.
"""
_SLOWER = r"Laptop|Max-Q|MIG|Ti\b|4090 D"


def peak_flops(device_name: str) -> float | None:
    """Return the most bf16 operations a second that a GPU's vendor promises, None if unknown.

    Parameters
    ----------
    device_name
        As ``torch.cuda.get_device_name()`` says it. Laptops' versions and parts of a GPU (MIG)
        are unknown.

    Examples
    --------
    >>> peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    True
    """
    if re.search(_SLOWER, device_name):
        return None
    for names, more, peak in _PEAKS:
        named = re.search(rf"(?<![A-Za-z0-9])({names})(?![0-9A-Za-z])", device_name)
        grace = more == "GB200" and "GB200" in device_name
        if grace or (named and re.search(more, device_name)):
            return peak
    return None
