"""What follows attention in a layer: the non-linear parts and convolutions."""

from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.config.architecture import Architecture


def activation(architecture: Architecture) -> nn.Module:
    """Return GELU (Hendrycks and Gimpel 2016), exact or by tanh."""
    return nn.GELU("tanh" if architecture.activation == "gelu_tanh" else "none")


class Gate(nn.Module):
    """One half of a vector, activated, times the other half (Shazeer 2020)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., width) of (..., 2 width)."""
        active, gate = hidden.chunk(2, dim=-1)
        return self.inner(active) * gate  # type: ignore[no-any-return]


class Convolution(nn.Module):
    """A convolution along the tokens that keeps their number.

    Parameters
    ----------
    width
        Size of the vectors, before and after.
    kernel
        Tokens seen by each; of an even number, one more lies to the right than to the left.
    bias
        Whether there is one.
    """

    def __init__(self, width: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.around = ((kernel - 1) // 2, kernel // 2)
        self.convolve = nn.Conv1d(width, width, kernel, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (batch, length, width); padding must be zero."""
        before, after = self.around
        padded = functional.pad(hidden, (0, 0, before, after))
        windows = padded.unfold(1, before + after + 1, 1)  # (batch, length, width, kernel)
        # One product of matrices: several times as fast as the convolution on short inputs.
        return functional.linear(
            windows.flatten(2), self.convolve.weight.flatten(1), self.convolve.bias
        )


class Perceptron(nn.Module):
    """Linear, SiLU, norm and linear: how DNAGPT reads numbers and writes anything."""

    def __init__(self, sizes: tuple[int, int, int], bias: bool, epsilon: float) -> None:
        super().__init__()
        first, inner, last = sizes
        self.expand = nn.Linear(first, inner, bias=bias)
        self.norm = nn.LayerNorm(inner, eps=epsilon, bias=bias)
        self.contract = nn.Linear(inner, last, bias=bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., last size) of (..., first size)."""
        return self.contract(self.norm(functional.silu(self.expand(hidden))))  # type: ignore[no-any-return]


def initialize(module: nn.Module, std: float) -> None:
    """Draw weights from a normal distribution and set biases to zero, as BERT does."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding | nn.Conv1d):
            nn.init.normal_(part.weight, std=std)
        if isinstance(part, nn.Linear | nn.Conv1d) and part.bias is not None:
            nn.init.zeros_(part.bias)
