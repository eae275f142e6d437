"""HyenaDNA: long convolutions in place of attention (Nguyen et al. 2023).

Shaped by :class:`~pipeline_lib.config.hyena.HyenaArchitecture`. Time and memory grow with the
length of the input almost linearly, and no length is too long for the model.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.gated_convolution import Short, mix
from pipeline_lib.models.hyena_filter import ImplicitFilter, delay_features, used_taps
from pipeline_lib.models.transformer import initialize


class Hyena(nn.Module):
    """Token embeddings and a stack of layers.

    Parameters
    ----------
    architecture
        Shape of the model.
    vocab_size
        Number of tokens.
    """

    def __init__(self, architecture: HyenaArchitecture, vocab_size: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.vocab_size, self.width = vocab_size, architecture.width
        self.tokens = nn.Embedding(vocab_size, architecture.width)
        self.dropout = nn.Dropout(architecture.embedding_dropout)
        self.layers = nn.ModuleList(Layer(architecture) for _ in range(architecture.layers))
        self.final_norm = nn.LayerNorm(architecture.width, eps=architecture.norm_epsilon)
        initialize(self, architecture.init_std)
        _shrink_residuals(self)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the hidden vector of every token.

        Parameters
        ----------
        tokens
            Ids; (batch, length), int64.
        mask
            True where there is a token, False where there is padding, on either side; (batch,
            length). Padding then changes nothing of what tokens see. None if there is none.

        Returns
        -------
        Tensor
            (batch, length, width).
        """
        taps = used_taps(self.architecture, tokens.shape[1])
        features = delay_features(self.architecture, taps, like=self.tokens.weight)
        # The sum over layers is kept in float32, whatever the precision of the layers.
        hidden = self.dropout(self.tokens(tokens)).to(features.dtype)  # (batch, length, width)
        for layer in self.layers:
            if self.architecture.checkpointing and torch.is_grad_enabled():
                hidden = checkpoint(layer, hidden, features, mask, use_reentrant=False)
            else:
                hidden = layer(hidden, features, mask)
        return normalize(self.final_norm, hidden)


class Layer(nn.Module):
    """A Hyena operator and an MLP, each after a norm and with a residual connection."""

    def __init__(self, architecture: HyenaArchitecture) -> None:
        super().__init__()
        width, epsilon = architecture.width, architecture.norm_epsilon
        self.operator_norm = nn.LayerNorm(width, eps=epsilon)
        self.operator = HyenaOperator(architecture)
        self.feedforward_norm = nn.LayerNorm(width, eps=epsilon)
        self.expand = nn.Linear(width, architecture.feedforward_width)
        self.contract = nn.Linear(architecture.feedforward_width, width)
        self.dropout = nn.Dropout(architecture.dropout)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None) -> Tensor:
        """Return new hidden vectors; (batch, length, width)."""
        mixed = self.operator(normalize(self.operator_norm, hidden), features, mask)
        return self.feed(hidden + self.dropout(mixed))

    def feed(self, hidden: Tensor) -> Tensor:
        """Add what the MLP says of each token; (batch, length, width)."""
        inner = functional.gelu(
            self.expand(normalize(self.feedforward_norm, hidden)), approximate="tanh"
        )
        return hidden + self.dropout(self.contract(inner))  # type: ignore[no-any-return]


class HyenaOperator(nn.Module):
    """The Hyena operator of order 2 (Poli et al. 2023, definition 3.1).

    Three projections of the input pass a short convolution. The third, gated by the second, passes
    the long convolution, and is gated by the first. Between the projections, channels come first:
    convolutions, gates and both matrix products then need no copy in another order.
    """

    def __init__(self, architecture: HyenaArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.bidirectional = architecture.bidirectional
        self.project = nn.Linear(width, 3 * width)
        # Holds the weights of a convolution of each channel by itself: (3 width, 1, taps).
        self.short = nn.Conv1d(3 * width, 3 * width, architecture.short_filter, groups=3 * width)
        self.filter = ImplicitFilter(architecture)
        self.output = nn.Linear(width, width)

    def forward(self, hidden: Tensor, features: Tensor, mask: Tensor | None) -> Tensor:
        """Return what each token gathers from the others; (batch, length, width)."""
        before, after = self.filter(features)
        projected = self.projections(hidden)
        return self.leave(mix(projected, self.short_filters(), before, after, mask))

    def projections(self, hidden: Tensor) -> Tensor:
        """Return the three projections, channels first; (3 width, batch, length)."""
        batch, length, width = hidden.shape
        flat = hidden.reshape(batch * length, width)
        projected = torch.addmm(self.project.bias[:, None], self.project.weight, flat.mT)
        return projected.view(-1, batch, length)

    def short_filters(self) -> Short:
        """Return the short convolution: of past tokens, or of both sides."""
        taps, bias = self.short.kernel_size[0], self.short.bias
        assert bias is not None
        return Short(self.short.weight, bias, (taps - 1) // 2 if self.bidirectional else 0)

    def leave(self, gathered: Tensor) -> Tensor:
        """Project channels, which come first, to hidden vectors; (batch, length, width)."""
        width, batch, length = gathered.shape
        flat = gathered.reshape(width, batch * length)
        return functional.linear(flat.mT, self.output.weight, self.output.bias).view(
            batch, length, width
        )


def normalize(norm: nn.LayerNorm, hidden: Tensor) -> Tensor:
    """Apply a layer norm in the precision of its weights."""
    return norm(hidden.to(norm.weight.dtype))  # type: ignore[no-any-return]


def _shrink_residuals(model: Hyena) -> None:
    """Draw what adds to the residual smaller, the more layers add to it (GPT-2)."""
    std = model.architecture.init_std / math.sqrt(2 * model.architecture.layers)
    for module in model.modules():
        if isinstance(module, Layer):
            nn.init.normal_(module.operator.output.weight, std=std)
            nn.init.normal_(module.contract.weight, std=std)
