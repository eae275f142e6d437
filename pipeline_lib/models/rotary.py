"""Positions told by angles (Su et al. 2021) and by waves (Vaswani et al. 2017)."""

import math

import torch
from torch import Tensor

ROTARY_BASE = 10_000.0


def rotary_angles(
    length: int | Tensor, width: int, device: torch.device, base: float = ROTARY_BASE
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the rotary angles; each (length, width).

    Parameters
    ----------
    length
        Number of positions, or the positions themselves.
    width
        Dimensions of a head that are rotated.
    base
        The slowest pair turns once in about 2 pi ``base`` positions.
    """
    positions = length if isinstance(length, Tensor) else torch.arange(length, device=device)
    frequencies = base ** -(torch.arange(0, width, 2, device=device) / width)
    angles = positions[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(vectors: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the pairs (i, i + width / 2) of each vector by its position's angles.

    Dimensions beyond those of the angles stay as they are.
    """
    width = cosine.shape[-1]
    if width < vectors.shape[-1]:
        turning, still = vectors[..., :width], vectors[..., width:]
        return torch.cat([rotate(turning, cosine, sine), still], dim=-1)
    first, second = vectors.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (vectors * cosine + turned * sine).to(vectors.dtype)


def waves(length: int, width: int) -> Tensor:
    """Return sinusoids, sine and cosine in turn; (length, width)."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(ROTARY_BASE) / width))
    angles = torch.arange(length)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
