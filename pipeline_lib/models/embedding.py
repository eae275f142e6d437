"""Parts of the input besides tokens and positions: convolutions, tracks and numbers."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline_lib.errors import InputError
from pipeline_lib.models.feedforward import Convolution
from pipeline_lib.models.layout import zero_padding


class Numbers(NamedTuple):
    """Numbers to splice into the stream of tokens (DNAGPT).

    Attributes
    ----------
    values
        As they are, best of mean 0 and variance 1; (batch, numbers).
    place
        Index of the token before which they are put; from the end if negative.
    """

    values: Tensor
    place: int


class ConvolvedEmbedding(nn.Module):
    """Convolutions side by side, summed, in place of the token embeddings themselves (LOGO)."""

    def __init__(self, width: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(Convolution(width, kernel) for kernel in kernels)

    def forward(self, embedded: Tensor, mask: Tensor | None) -> Tensor:
        """Return (batch, length, width) of the same."""
        embedded = zero_padding(embedded, mask)
        return torch.stack([kernel(embedded) for kernel in self.kernels]).sum(dim=0)


class TrackEmbedding(nn.Module):
    """A vector for each track's 0 and one for its 1, summed over tracks (LOGO)."""

    def __init__(self, tracks: int, width: int) -> None:
        super().__init__()
        self.tracks = tracks
        self.values = nn.Embedding(2 * tracks, width)

    def forward(self, tracks: Tensor) -> Tensor:
        """Return (batch, length, width) of values 0 or 1, (batch, length, tracks).

        Raises
        ------
        InputError
            If there are more or fewer tracks than the model has.
        """
        if tracks.shape[-1] != self.tracks:
            raise InputError(
                f"{tracks.shape[-1]} annotation tracks for a model of {self.tracks}",
                remedy="give as many tracks as the setting `tracks` of the architecture says",
            )
        places = 2 * torch.arange(self.tracks, device=tracks.device)
        return self.values(tracks.long() + places).sum(dim=-2)  # type: ignore[no-any-return]


def splice(embedded: Tensor, numbers: Tensor, place: int) -> Tensor:
    """Return token vectors with number vectors between them.

    Parameters
    ----------
    embedded
        (batch, tokens, width).
    numbers
        (batch, numbers, width).
    place
        Index of the token before which the numbers are put; from the end if negative.
    """
    before, after = embedded[:, :place], embedded[:, place:]
    return torch.cat([before, numbers.to(embedded.dtype), after], dim=1)
