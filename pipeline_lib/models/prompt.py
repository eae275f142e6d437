"""Soft prompts: learned vectors before the tokens of an encoder that stays as it is.

Lester et al. 2021; for DNA, Nguyen et al. 2023, section 3.3. The vectors are further rows of the
token embedding, with ids of their own: whatever an encoder does with tokens, their positions and
their mask, it does with them too, and no encoder has to know of them.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena import Hyena
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.recurrent_memory import RecurrentTransformer
from pipeline_lib.models.transformer import Transformer

Encoder = Transformer | Hyena | BothStrands


class FurtherRows(nn.Module):
    """A matrix with learned rows below it.

    Parameters
    ----------
    weight
        The matrix; (rows, width).
    count
        Rows to add; they begin as noise of deviation ``std``.
    """

    def __init__(self, weight: Tensor, count: int, std: float) -> None:
        super().__init__()
        self.rows = nn.Parameter(weight.new_empty(count, weight.shape[1]))
        nn.init.normal_(self.rows, std=std)

    def forward(self, weight: Tensor) -> Tensor:
        """Return both; (rows + count, width)."""
        return torch.cat([weight, self.rows])


class SoftPrompt(nn.Module):
    """Puts learned vectors before the tokens of an encoder.

    Parameters
    ----------
    encoder
        Changed in place: its weights are frozen, and its token embedding gets further rows.
    count
        Vectors of the prompt.

    Raises
    ------
    InputError
        If the encoder reads its input segment by segment.
    """

    complements: Tensor

    def __init__(self, encoder: Encoder, count: int) -> None:
        super().__init__()
        if isinstance(encoder, RecurrentTransformer):
            raise InputError(
                "`method: prompt` with a model that has recurrent memory",
                expected="a model that reads its input at once",
                remedy="write `method: lora`; memory vectors are a prompt of their own",
            )
        self.count, self.first = count, encoder.vocab_size
        encoder.requires_grad_(False)
        embedding = _embedding(encoder)
        rows = FurtherRows(embedding.weight, count, encoder.architecture.init_std)
        parametrize.register_parametrization(embedding, "weight", rows, unsafe=True)
        if isinstance(encoder, BothStrands):
            # A vector of the prompt is its own complement: both strands are shown the same.
            own = torch.arange(self.first, self.first + count, device=encoder.complements.device)
            encoder.complements = torch.cat([encoder.complements[: self.first], own])

    def forward(self, tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return tokens and mask with the prompt in front; (batch, prompt + length)."""
        ids = torch.arange(self.first, self.first + self.count, device=tokens.device)
        longer = torch.cat([ids.expand(len(tokens), -1), tokens], dim=1)
        if mask is None:
            return longer, None
        return longer, torch.cat([mask.new_ones(len(mask), self.count), mask], dim=1)


def prompt_vectors(encoder: Encoder) -> nn.Parameter:
    """Return the vectors of the prompt of an encoder; (vectors, width of the embedding)."""
    (rows,) = _embedding(encoder).parametrizations["weight"]  # type: ignore[index]
    return rows.rows  # type: ignore[no-any-return]


def remove_prompt(encoder: Encoder) -> None:
    """Make an encoder what it was before it got a prompt."""
    parametrize.remove_parametrizations(_embedding(encoder), "weight", leave_parametrized=False)
    if isinstance(encoder, BothStrands):
        encoder.complements = encoder.complements[: encoder.vocab_size]
    encoder.requires_grad_(True)


def _embedding(encoder: Encoder) -> nn.Embedding:
    return encoder.strand.tokens if isinstance(encoder, BothStrands) else encoder.tokens
