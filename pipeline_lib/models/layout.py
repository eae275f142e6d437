"""How the tokens of a batch lie: padded side by side, or end to end without padding."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.errors import InputError

Rotation = tuple[Tensor, Tensor]
"""Cosine and sine of the rotary angles; each (length, rotated width)."""
WASTE = 1.25
"""Longest over shortest sequence of a group; attention is the only part that pads, up to this."""


@dataclass(frozen=True)
class Group:
    """Sequences of similar length, whose attention is computed together.

    Attributes
    ----------
    index
        Places of the tokens among all those of the batch; (sequences, length). Padding points
        at place 0.
    mask
        True where there is a token; None if all sequences have the same length.
    kept
        Places in the flattened group where there is a token; None if everywhere.
    places
        The same tokens' places in the batch; (tokens in the group).
    """

    index: Tensor
    mask: Tensor | None
    kept: Tensor | None
    places: Tensor

    def gather(self, vectors: Tensor) -> Tensor:
        """Return (sequences, heads, length, head width) of (batch, heads, length, head width)."""
        flat = vectors.transpose(1, 2).flatten(0, 1)  # (tokens, heads, head width)
        return flat[self.index].transpose(1, 2)

    def flatten(self, vectors: Tensor) -> Tensor:
        """Return the vectors of tokens; (tokens in the group, heads, head width)."""
        flat = vectors.transpose(1, 2).flatten(0, 1)
        return flat if self.kept is None else flat.index_select(0, self.kept)


@dataclass(frozen=True)
class Layout:
    """What all layers need to know about a batch.

    Attributes
    ----------
    positions
        Place of every token in its sequence; (length,).
    mask
        True where there is a token; (batch, length). None without padding.
    groups
        Sequences attended to together; None: the batch as it is.
    rotation, local_rotation
        Rotary angles in full and in local layers, if positions are rotary.
    """

    positions: Tensor
    mask: Tensor | None = None
    groups: tuple[Group, ...] | None = None
    rotation: Rotation | None = None
    local_rotation: Rotation | None = None


def group_by_length(lengths: Sequence[int], starts: Tensor, unit: int = 1) -> tuple[Group, ...]:
    """Put sequences of similar length together.

    Parameters
    ----------
    lengths
        Tokens of each sequence.
    starts
        Place of each sequence's first token in the batch; (sequences,).
    unit
        If above 1, only sequences of as many units (blocks) share a group: what a token sees
        then depends on its own sequence, not on its company.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    bundles: list[list[int]] = []
    for number in order:
        if bundles and _alike(lengths[bundles[-1][0]], lengths[number], unit):
            bundles[-1].append(number)
        else:
            bundles.append([number])
    return tuple(_group([lengths[i] for i in bundle], starts[bundle]) for bundle in bundles)


def pack(sequences: Iterable[Tensor]) -> tuple[Tensor, list[int]]:
    """Lay sequences of tokens end to end; return the tokens and the length of each sequence."""
    kept = list(sequences)
    return torch.cat(kept), [len(sequence) for sequence in kept]


def packed_positions(tokens: int, lengths: Sequence[int], device: torch.device) -> Tensor:
    """Return the place of every token in its sequence; (tokens,).

    Raises
    ------
    InputError
        If the lengths do not add up to the number of tokens.
    """
    if sum(lengths) != tokens or min(lengths, default=0) < 1:
        raise InputError(
            f"{len(lengths):,} lengths of {sum(lengths):,} tokens for {tokens:,} tokens",
            expected="the length of every sequence, at least 1",
            remedy="give the lengths that `pack` returned with the tokens",
        )
    return torch.cat([torch.arange(length, device=device) for length in lengths])


def padded_lengths(mask: Tensor) -> list[int]:
    """Return the tokens of every row; the padding must come last.

    Raises
    ------
    InputError
        If there is padding before a token.
    """
    lengths = mask.sum(dim=1)
    if not torch.equal(mask, torch.arange(mask.shape[1], device=mask.device) < lengths[:, None]):
        raise InputError(
            "padding before the last token of a sequence",
            expected="padding on the right for sparse attention, whose blocks count from the left",
            remedy="pad on the right",
        )
    return [int(length) for length in lengths.tolist()]


def scatter(parts: Sequence[Tensor], groups: Sequence[Group], batch: int, length: int) -> Tensor:
    """Bring tokens of groups, each (tokens, ...), back to (batch, length, ...); padding is 0."""
    values = torch.cat(list(parts))
    places = torch.cat([group.places for group in groups])
    empty = values.new_zeros(batch * length, *values.shape[1:])
    return empty.index_copy(0, places, values).view(batch, length, *values.shape[1:])


def zero_padding(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Return hidden vectors with zeros at padding, which a convolution would see."""
    return hidden if mask is None else hidden * mask[..., None].to(hidden.dtype)


def pad_length(vectors: Tensor, before: int, after: int) -> Tensor:
    """Add zeros on both sides of the last dimension but one."""
    return functional.pad(vectors, (0, 0, before, after)) if before or after else vectors


def _alike(longest: int, length: int, unit: int) -> bool:
    if unit > 1:
        return -(-longest // unit) == -(-length // unit)
    return longest <= WASTE * length


def _group(lengths: Sequence[int], starts: Tensor) -> Group:
    device, longest = starts.device, max(lengths)
    steps = torch.arange(longest, device=device)
    index = starts[:, None] + steps  # (sequences, longest)
    if min(lengths) == longest:
        return Group(index, None, None, index.flatten())
    mask = steps < torch.tensor(lengths, device=device)[:, None]
    kept = mask.flatten().nonzero().squeeze(1)
    places = index.flatten()[kept]
    return Group(index.masked_fill(~mask, 0), mask, kept, places)
