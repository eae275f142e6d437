"""One layer of a Transformer."""

from torch import Tensor, nn

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.attention import Attention, Cache
from pipeline_lib.models.feedforward import Convolution, Gate, activation
from pipeline_lib.models.layout import Layout, zero_padding


class Layer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and a norm."""

    def __init__(self, architecture: Architecture, layer: int = 0) -> None:
        super().__init__()
        width, inner, bias = architecture.width, architecture.feedforward_width, architecture.bias
        self.pre_norm = architecture.norm == "pre"
        self.attention = Attention(architecture, layer)
        self.attention_norm = norm(architecture, present=architecture.first_norm or layer > 0)
        self.convolve = None
        if architecture.feedforward == "conv":
            self.convolve = Convolution(width, 3, bias)
        else:
            gated = architecture.feedforward == "gated"
            self.expand = nn.Linear(width, 2 * inner if gated else inner, bias=bias)
            self.activation = Gate(activation(architecture)) if gated else activation(architecture)
            self.contract = nn.Linear(inner, width, bias=bias)
        self.feedforward_norm = norm(architecture)
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(
        self, hidden: Tensor, layout: Layout, number: int = 0, cache: Cache | None = None
    ) -> Tensor:
        """Return new hidden vectors; (batch, length, width)."""
        if self.pre_norm:
            attended = self.attention(self.attention_norm(hidden), layout, number, cache)
            hidden = hidden + self.dropout(attended)
            fed = self._feedforward(self.feedforward_norm(hidden), layout.mask)
            return hidden + self.dropout(fed)  # type: ignore[no-any-return]
        attended = self.attention(hidden, layout, number, cache)
        hidden = self.attention_norm(hidden + self.dropout(attended))
        fed = self.dropout(self._feedforward(hidden, layout.mask))
        return self.feedforward_norm(hidden + fed)  # type: ignore[no-any-return]

    def _feedforward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        if self.convolve is not None:
            return self.convolve(zero_padding(hidden, mask))  # type: ignore[no-any-return]
        return self.contract(self.activation(self.expand(hidden)))  # type: ignore[no-any-return]


def norm(architecture: Architecture, width: int | None = None, present: bool = True) -> nn.Module:
    """Return a layer norm, or nothing in its place."""
    if not present:
        return nn.Identity()
    size = width or architecture.width
    return nn.LayerNorm(size, eps=architecture.norm_epsilon, bias=architecture.bias)


def residual_outputs(layers: nn.Module) -> list[Tensor]:
    """Return the weights through which blocks join the residual stream."""
    ends = ("attention.output.weight", "contract.weight", "convolve.convolve.weight")
    return [weight for name, weight in layers.named_parameters() if name.endswith(ends)]
