"""Inputs cut into segments, for a model that reads them one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pipeline_lib.config.memory import Memory


@dataclass(frozen=True)
class Segment:
    """One segment of every input of a batch that has begun: ``[CLS] memory [SEP] tokens [SEP]``.

    Attributes
    ----------
    rows
        Inputs that have such a segment; (rows,).
    first
        True where it is the first of its input; (rows,).
    source
        Where in the flattened batch each token stands; (rows, length). Memory and padding point
        at any token.
    mask
        True where there is a token or memory; (rows, length). None without padding.
    kept
        Places in the flattened segment whose vectors stand for tokens of the input.
    places
        Where these tokens are in the flattened batch.
    left
        Segments that follow.
    """

    rows: Tensor
    first: Tensor
    source: Tensor
    mask: Tensor | None
    kept: Tensor
    places: Tensor
    left: int

    def to(self, device: torch.device) -> "Segment":
        """Return the same on a device."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in tensors.items()}
        return replace(self, **moved)


def cut(lengths: Sequence[int], columns: int, room: int, memory: Memory) -> list[Segment]:
    """Cut inputs into segments.

    Each input is cut into as few pieces as fit, of nearly equal sizes, so that no segment is
    empty. Short inputs begin later, so that all end with the last segment.

    Parameters
    ----------
    lengths
        Tokens of each input ``[CLS] ... [SEP]``.
    columns
        Tokens of a row of the batch, padding included.
    room
        Most tokens of the input in a segment.
    memory
        Its settings.
    """
    ends = torch.tensor(lengths)
    content = ends - 2
    pieces = (-(-content // room)).clamp(min=1)
    steps = int(pieces.max())
    return [
        _segment(ends, content, pieces, step - (steps - pieces), columns, memory)
        for step in range(steps)
    ]


def _segment(
    ends: Tensor, content: Tensor, pieces: Tensor, number: Tensor, columns: int, memory: Memory
) -> Segment:
    """Return the segment that has a number, (batch,), in each input; none if negative."""
    rows = (number >= 0).nonzero().squeeze(1)
    number, content, pieces = number[rows], content[rows], pieces[rows]
    start = rows * columns  # where [CLS] is in the flattened batch
    end = start + ends[rows] - 1  # and the last [SEP]
    skipped = number * content // pieces
    size = (number + 1) * content // pieces - skipped
    steps = torch.arange(int(size.max()) + 1)
    body = torch.where(steps < size[:, None], (start + 1 + skipped)[:, None] + steps, end[:, None])
    head = start[:, None].expand(-1, memory.head).clone()
    if memory.tokens:
        head[:, -1] = end
    source = torch.cat([head, body], dim=1)
    shown = torch.cat([torch.ones_like(head, dtype=torch.bool), steps <= size[:, None]], dim=1)
    # [CLS] and the last [SEP] of the input are those of its last segment, which has seen all.
    left = int(pieces[0] - 1 - number[0])
    own = torch.zeros_like(shown)
    own[:, 0] = left == 0
    own[:, memory.head :] = steps < size[:, None] + int(left == 0)
    kept = own.flatten().nonzero().squeeze(1)
    return Segment(
        rows=rows,
        first=number == 0,
        source=source,
        mask=None if bool(shown.all()) else shown,
        kept=kept,
        places=source.flatten()[kept],
        left=left,
    )


def segments_at(step: int, steps: int, most: int, start: int = 1) -> int:
    """Return how many segments inputs have at a step of training: few at first.

    Their number doubles at each stage; the stages before the last are equally long and take
    ``steps`` steps together (GENA-LM's large model: 2, 4, 8).

    Parameters
    ----------
    step
        Steps done.
    steps
        Steps until inputs have ``most`` segments.
    most, start
        Segments at the end and at the beginning.
    """
    stages = [min(start, most)]
    while stages[-1] < most:
        stages.append(min(2 * stages[-1], most))
    if step >= steps or len(stages) == 1:
        return most
    return stages[step * (len(stages) - 1) // steps]
