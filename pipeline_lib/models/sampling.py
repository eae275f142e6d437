"""How the next token is chosen."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_lib.errors import InputError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    Attributes
    ----------
    temperature
        Logits are divided by it; 0 takes the likeliest token.
    top_k
        Only the k likeliest tokens can be drawn; None for all.
    top_p
        Only the likeliest tokens that together reach this probability can be drawn.
    allowed
        Ids that can be drawn at all, such as those of A, C, G and T; None for all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    allowed: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        problem = (
            f"a temperature of {self.temperature}" if self.temperature < 0
            else f"a `top_k` of {self.top_k}" if self.top_k is not None and self.top_k < 1
            else f"a `top_p` of {self.top_p}" if not 0 < self.top_p <= 1
            else "an empty list of allowed tokens" if self.allowed == ()
            else None
        )  # fmt: skip
        if problem:
            raise InputError(
                f"{problem} leaves no token to choose",
                expected="temperature 0 or more, top_k 1 or more, top_p above 0 and at most 1",
                remedy="change the value, or leave it out",
            )


class Chances:
    """Chance of every step, given beforehand: what a row draws depends on its own alone.

    With a generator that all rows share, a row's draws depend on which others are in its batch.

    Parameters
    ----------
    uniforms
        Between 0 and 1; (batch, steps).
    """

    def __init__(self, uniforms: Tensor) -> None:
        self._uniforms, self._used = uniforms, 0

    def draw(self, shares: Tensor) -> Tensor:
        """Draw a column from each row of shares, by inverting their sums; (batch, 1)."""
        aim = self._uniforms[:, self._used, None].to(shares.device, shares.dtype)
        self._used += 1
        reached = shares.cumsum(dim=-1)
        # The sum may be below 1 by rounding; a column without a share is never drawn.
        return (reached <= aim * reached[:, -1:]).sum(dim=-1, keepdim=True)


def choose(
    logits: Tensor, sampling: Sampling, generator: torch.Generator | Chances | None = None
) -> Tensor:
    """Choose one token for each row of logits.

    Parameters
    ----------
    logits
        (batch, vocabulary).
    generator
        Source of chance: of all rows, or of each row its own.

    Returns
    -------
    Tensor
        Ids; (batch,).
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if sampling.allowed is not None:
        barred = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        barred[list(sampling.allowed)] = False
        logits = logits.masked_fill(barred, -torch.inf)
    if sampling.temperature == 0:
        return logits.argmax(dim=-1)
    if sampling.top_k is None and sampling.top_p == 1.0:  # nothing to leave out: no need to sort
        shares = (logits / sampling.temperature).softmax(dim=-1)
        return _draw(shares, generator).squeeze(1)
    ordered, tokens = (logits / sampling.temperature).sort(dim=-1, descending=True, stable=True)
    if sampling.top_k is not None:
        ordered[:, sampling.top_k :] = -torch.inf
    shares = ordered.softmax(dim=-1)
    # A token stays if those likelier than it have not reached top_p: the first one always does.
    shares = shares.masked_fill(shares.cumsum(dim=-1) - shares >= sampling.top_p, 0.0)
    return tokens.gather(1, _draw(shares, generator)).squeeze(1)


def _draw(shares: Tensor, generator: torch.Generator | Chances | None) -> Tensor:
    if isinstance(generator, Chances):
        return generator.draw(shares)
    return torch.multinomial(shares, 1, generator=generator)
