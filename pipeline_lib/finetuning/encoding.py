"""Examples as tokens, and batches of examples of like length."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import encode_sequence, load_tokenizer, overlap_of
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

# Batches are formed within so many batches' worth of shuffled examples, sorted by length.
BUCKET = 50


class Batch(NamedTuple):
    """Some examples as a classifier takes them.

    Attributes
    ----------
    tokens
        (batch, length), padded at the right.
    mask
        True where there is a token; (batch, length). None without padding, which is faster.
    focus
        (batch,).
    numbers
        (batch, numbers), or None if there are none.
    """

    tokens: Tensor
    mask: Tensor | None
    focus: Tensor
    numbers: Tensor | None


@dataclass(frozen=True, slots=True)
class EncodedExamples:
    """Tokens of examples, one after the other.

    Attributes
    ----------
    tokens
        Ids, [CLS] and [SEP] included; shape (all tokens,).
    ends
        Index of the token after the last of each example; shape (examples,).
    focus
        Index, in its example, of the token that holds the focus base; shape (examples,).
    numbers
        Given with the sequences, scaled; shape (examples, numbers).
    targets
        Shape (examples, width of the target); width 0 where nothing is known of them.
    pad
        Id of the token that fills up short examples.
    """

    tokens: NDArray[np.int32]
    ends: NDArray[np.int64]
    focus: NDArray[np.int64]
    numbers: NDArray[np.float32]
    targets: NDArray[np.float32]
    pad: int

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example; shape (examples,)."""
        return np.diff(self.ends, prepend=0)

    def batch(self, indices: NDArray[np.int64], device: torch.device) -> Batch:
        """Return some examples as tensors."""
        lengths = self.lengths[indices]
        mask = np.arange(lengths.max()) < lengths[:, None]
        tokens = np.full(mask.shape, self.pad, dtype=np.int64)
        spans = zip(self.ends[indices] - lengths, self.ends[indices], strict=True)
        tokens[mask] = np.concatenate([self.tokens[start:end] for start, end in spans])
        numbers = torch.from_numpy(self.numbers[indices]).to(device)
        return Batch(
            torch.from_numpy(tokens).to(device),
            None if mask.all() else torch.from_numpy(mask).to(device),
            torch.from_numpy(self.focus[indices]).to(device),
            numbers if numbers.shape[1] else None,
        )


def encode_examples(
    table: pd.DataFrame,
    tokenizer: Path,
    *,
    context_length: int,
    too_long: str = "error",
    scaler: Scaler | None = None,
) -> EncodedExamples:
    """Turn examples into tokens: ``[CLS] a [SEP]``, or ``[CLS] a [SEP] b [SEP]`` for pairs.

    Parameters
    ----------
    table
        Column sequence, and what there is of partner, focus, numbers and target.
    tokenizer
        ``tokenizer.json``.
    context_length
        Most tokens that the model reads.
    too_long
        ``error``, or ``crop``: of an example that does not fit, the tokens around the focus are
        kept, or around the middle of a partner. The sequences of a pair share the room equally,
        unless one of them needs less.
    scaler
        Of the numbers given with the sequences.

    Raises
    ------
    InputError
        If an example has more tokens than the model reads, or its numbers are not those of the
        others.
    """
    encoder = _Encoder(tokenizer, context_length, crop=too_long == "crop")
    parts: list[NDArray[np.int32]] = []
    focus = []
    for row, (sequence, partner, base) in enumerate(_sequences(table)):
        ids, place = encoder.encode(sequence, partner, base)
        if len(ids) > context_length:
            raise _too_long(table.iloc[row], row, len(ids), context_length)
        parts.append(np.array(ids, dtype=np.int32))
        focus.append(place)
    numbers = numbers_of(table)
    targets = np.empty((len(table), 0), dtype=np.float32)
    if "target" in table:
        targets = np.stack(table["target"].to_list()).astype(np.float32)
    return EncodedExamples(
        np.concatenate(parts),
        np.cumsum([len(part) for part in parts]),
        np.array(focus, dtype=np.int64),
        numbers if scaler is None else scaler.apply(numbers),
        targets,
        encoder.pad,
    )


class _Encoder:
    """The input of a model for one example, and where in it the focus is."""

    def __init__(self, tokenizer: Path, context_length: int, *, crop: bool) -> None:
        self._tokenizer, self._overlap = load_tokenizer(tokenizer), overlap_of(tokenizer)
        vocabulary = read_vocabulary(tokenizer)
        self._cls, self._sep, self.pad = vocabulary.cls, vocabulary.sep, vocabulary.pad
        self._context_length, self._crop = context_length, crop

    def encode(self, sequence: str, partner: str, base: int) -> tuple[list[int], int]:
        """Return ids and the index of the token with the base; -1 stands for the middle."""
        ids, starts = encode_sequence(self._tokenizer, sequence, self._overlap)
        place = _holder(starts, base if base >= 0 else len(sequence) // 2)
        others: list[int] = []
        if partner:
            others, starts = encode_sequence(self._tokenizer, partner, self._overlap)
            middle = _holder(starts, len(partner) // 2)
        if self._crop:
            room = self._context_length - (3 if partner else 2)
            own, other = _shared(len(ids), len(others), room)
            ids, place = _around(ids, place, own)
            others = _around(others, middle, other)[0] if partner else others
        tail = [*others, self._sep] if partner else []
        return [self._cls, *ids, self._sep, *tail], place + 1


def _sequences(table: pd.DataFrame) -> Iterator[tuple[str, str, int]]:
    """Yield sequence, partner ("" without one) and focus (-1: the middle) of each example."""
    count = len(table)
    partners = table["partner"] if "partner" in table else [""] * count
    focus = table["focus"] if "focus" in table else [-1] * count
    for sequence, partner, base in zip(table["sequence"], partners, focus, strict=True):
        yield sequence, partner, int(base)


def _holder(starts: list[int], base: int) -> int:
    """Return the index of the token that holds a base."""
    return int(np.searchsorted(starts, base, side="right")) - 1


def _shared(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of either sequence of a pair fit into the room of both."""
    own = min(first, max(room - room // 2, room - second))
    return own, min(second, room - own)


def _around(ids: list[int], centre: int, room: int) -> tuple[list[int], int]:
    """Return as many ids as there is room for, around the centre, and where the centre is now."""
    start = min(max(centre - room // 2, 0), max(len(ids) - room, 0))
    return ids[start : start + room], centre - start


def numbers_of(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the numbers given with the sequences; shape (examples, numbers).

    Raises
    ------
    InputError
        If not all examples have the same count of finite numbers.
    """
    if "numbers" not in table or not len(table):
        return np.empty((len(table), 0), dtype=np.float32)
    rows = [np.asarray(row, dtype=np.float32) for row in table["numbers"]]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]) or not np.isfinite(row).all():
            raise InputError(
                f"the numbers given with {_place(table.iloc[number], number)} are {row.tolist()}",
                expected=f"{len(rows[0])} finite numbers, as in {_place(table.iloc[0], 0)}",
                remedy="fill in what is missing, or leave these examples out",
            )
    return np.stack(rows)


def mirrored(table: pd.DataFrame) -> pd.DataFrame:
    """Return the same examples as the other strand shows them: each sequence turned in place."""
    changes: dict[str, Any] = {"sequence": [_turned(text) for text in table["sequence"]]}
    if "partner" in table:
        changes["partner"] = [_turned(text) for text in table["partner"]]
    if "focus" in table:
        focus = table["focus"]
        turned = table["sequence"].str.len() - 1 - focus
        changes["focus"] = turned.where(focus >= 0, focus).astype(focus.dtype)
    return table.assign(**changes)


def _turned(text: str) -> str:
    return reverse_complement(text.encode()).decode()


def joined(first: EncodedExamples, second: EncodedExamples) -> EncodedExamples:
    """Return the examples of both, one after the other."""
    return EncodedExamples(
        np.concatenate([first.tokens, second.tokens]),
        np.concatenate([first.ends, second.ends + first.ends[-1]]),
        np.concatenate([first.focus, second.focus]),
        np.concatenate([first.numbers, second.numbers]),
        np.concatenate([first.targets, second.targets]),
        first.pad,
    )


def training_batches(
    lengths: NDArray[np.int64], size: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return the batches of an epoch: all examples once, those of a batch of like length.

    Sorting by length within buckets of shuffled examples saves padding, and leaves the order of
    the batches random.
    """
    generator = named_generator(seed, "epoch", epoch)
    order = generator.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for first in range(0, len(order), size * BUCKET):
        bucket = order[first : first + size * BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches.extend(bucket[start : start + size] for start in range(0, len(bucket), size))
    return [batches[index] for index in generator.permutation(len(batches))]


def _place(example: pd.Series, row: int) -> str:
    number = example.get("example", row)
    contig = example.get("contig", "")
    where = f" at {contig}:{example['start']:,}" if contig else ""
    return f"example {number}{where}"


def _too_long(example: pd.Series, row: int, length: int, context_length: int) -> InputError:
    return InputError(
        f"{_place(example, row)} has {length:,} tokens, but the model reads {context_length:,} at "
        "most",
        expected="examples that fit into the model's context",
        remedy="set `too_long: crop` for the task, shorten its windows, or take a model with a "
        "larger `context_length`",
    )
