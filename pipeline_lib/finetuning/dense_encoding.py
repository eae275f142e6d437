"""Examples with targets along the sequence as tokens, and which token covers which target."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.coverage import cover
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.tokenizer.encode import encode_sequence, load_tokenizer, overlap_of
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

MOST_OFFSETS = 16
"""Bases of a token that are told apart; those further on count as the last of them."""


class DenseBatch(NamedTuple):
    """Some examples as a classifier of tokens takes them.

    Attributes
    ----------
    tokens, mask
        As in :class:`pipeline_lib.finetuning.encoding.Batch`; (batch, length).
    units
        Number of the bin in the batch, for each pair of a bin and a token; (pairs,).
    places
        Number of the token in the padded batch; (pairs,).
    offsets, weights
        See :class:`pipeline_lib.finetuning.coverage.Coverage`; (pairs,).
    """

    tokens: Tensor
    mask: Tensor | None
    units: Tensor
    places: Tensor
    offsets: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class DenseExamples(EncodedExamples):
    """Tokens of examples, and where in their sequences they begin.

    Attributes
    ----------
    starts
        First base of each token, -1 for [CLS] and [SEP]; shape (all tokens,).
    first
        First base of each example that has a target; shape (examples,).
    turned
        Whether an example shows the other strand; its targets are those of its own strand.
    target
        What is to be predicted.
    overlap
        Bases of a word, for a tokenizer of overlapping words; 0 for all others.
    """

    starts: NDArray[np.int32]
    first: NDArray[np.int64]
    turned: NDArray[np.bool_]
    target: Target
    overlap: int

    def batch(self, indices: NDArray[np.int64], device: torch.device) -> DenseBatch:  # type: ignore[override]
        """Return some examples as tensors."""
        plain = EncodedExamples.batch(self, indices, device)
        length, target = plain.tokens.shape[1], self.target
        parts: list[list[NDArray[np.int64]]] = [[], [], []]
        weights = []
        for row, index in enumerate(indices.tolist()):
            end = int(self.ends[index])
            begin = int(self.ends[index - 1]) if index else 0
            found = cover(
                self.starts[begin + 1 : end - 1].astype(np.int64),
                overlap=self.overlap,
                first=int(self.first[index]),
                units=target.units,
                size=target.bin,
                turned=bool(self.turned[index]),
            )
            parts[0].append(found.units + row * target.units)
            parts[1].append(found.tokens + row * length + 1)  # after [CLS]
            parts[2].append(np.minimum(found.offsets, MOST_OFFSETS - 1))
            weights.append(found.weights)
        units, places, offsets = (torch.from_numpy(np.concatenate(part)) for part in parts)
        return DenseBatch(
            plain.tokens,
            plain.mask,
            units.to(device),
            places.to(device),
            offsets.to(device),
            torch.from_numpy(np.concatenate(weights)).to(device),
        )


def offsets_of(tokenizer: Path) -> int:
    """Return how many bases of a token are told apart: those of the longest, but not too many."""
    vocabulary = read_vocabulary(tokenizer)
    return min(MOST_OFFSETS, max(map(len, vocabulary.words[vocabulary.first :])))


def encode_dense(
    table: pd.DataFrame,
    tokenizer: Path,
    target: Target,
    *,
    context_length: int,
    too_long: str = "error",
    turned: bool = False,
) -> DenseExamples:
    """Turn examples with targets along the sequence into tokens: ``[CLS] a [SEP]``.

    Parameters
    ----------
    table
        Column sequence, and ``target`` if it is known.
    tokenizer
        ``tokenizer.json``.
    target
        What is to be predicted.
    context_length
        Most tokens that the model reads.
    too_long
        ``error``, or ``crop``: of an example that does not fit, the tokens around its middle are
        kept. Bases that have a target are never cut off.
    turned
        Whether the sequences are the other strand, while targets are as they were.

    Raises
    ------
    InputError
        If a sequence is shorter than what is to be predicted of it, or its tokens, or with
        ``crop`` those of the bases that have a target, are more than the model reads.
    """
    encoder, overlap = load_tokenizer(tokenizer), overlap_of(tokenizer)
    vocabulary = read_vocabulary(tokenizer)
    room, needed = context_length - 2, target.units * target.bin
    ids: list[NDArray[np.int32]] = []
    places: list[NDArray[np.int32]] = []
    firsts = []
    for row, sequence in enumerate(table["sequence"]):
        first = target.segment(len(sequence))
        if first < 0:
            raise _too_short(row, len(sequence), needed)
        if turned:
            first = len(sequence) - needed - first
        found, starts = encode_sequence(encoder, sequence, overlap)
        begin, end = _kept(np.array(starts), first, needed, overlap, room, too_long, row)
        ids.append(np.array([vocabulary.cls, *found[begin:end], vocabulary.sep], dtype=np.int32))
        places.append(np.array([-1, *starts[begin:end], -1], dtype=np.int32))
        firsts.append(first)
    targets = np.empty((len(table), 0), dtype=np.float32)
    if "target" in table:
        targets = np.stack(table["target"].to_list()).astype(np.float32, copy=False)
    return DenseExamples(
        np.concatenate(ids),
        np.cumsum([len(part) for part in ids]),
        np.zeros(len(ids), dtype=np.int64),
        np.empty((len(ids), 0), dtype=np.float32),
        targets,
        vocabulary.pad,
        np.concatenate(places),
        np.array(firsts, dtype=np.int64),
        np.full(len(ids), turned),
        target,
        overlap,
    )


def _kept(
    starts: NDArray[np.int64],
    first: int,
    needed: int,
    overlap: int,
    room: int,
    too_long: str,
    row: int,
) -> tuple[int, int]:
    """Return the first token to keep and the one after the last."""
    count = len(starts)
    if count <= room:
        return 0, count
    last = first + needed - 1
    # Of overlapping words all that cover a base are needed.
    low = int(np.searchsorted(starts, first - max(overlap - 1, 0), side="right")) - 1
    low, high = max(low, 0), int(np.searchsorted(starts, last, side="right"))
    if too_long != "crop" or high - low > room:
        raise _too_long(row, count, high - low, room)
    begin = min(max((low + high - room) // 2, 0), count - room)
    return begin, begin + room


def _too_short(row: int, length: int, needed: int) -> InputError:
    return InputError(
        f"sequence {row} has {length:,} bases",
        expected=f"at least {needed:,}, of which all in the middle are predicted",
        remedy="give longer sequences",
    )


def _too_long(row: int, count: int, labelled: int, room: int) -> InputError:
    return InputError(
        f"sequence {row} has {count:,} tokens, {labelled:,} of them where something is to be "
        f"predicted, but the model reads {room:,} beside [CLS] and [SEP]",
        expected="examples that fit into the model's context",
        remedy="set a smaller `window` or `context` for the task, or `too_long: crop` to cut the "
        "context, or take a model with a larger `context_length`",
    )
