"""Examples as tokens, and batches of examples of like length."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.errors import InputError
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import encode_sequence, load_tokenizer, overlap_of
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

# Batches are formed within so many batches' worth of shuffled examples, sorted by length.
BUCKET = 50


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
    labels
        0 or 1; shape (examples,).
    pad
        Id of the token that fills up short examples.
    """

    tokens: NDArray[np.int32]
    ends: NDArray[np.int64]
    focus: NDArray[np.int64]
    labels: NDArray[np.int64]
    pad: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example; shape (examples,)."""
        return np.diff(self.ends, prepend=0)

    def batch(
        self, indices: NDArray[np.int64], device: torch.device
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Return some examples as tensors.

        Returns
        -------
        tokens
            (batch, length), padded at the right.
        mask
            True where there is a token; (batch, length). None without padding, which is faster.
        focus, labels
            (batch,).
        """
        lengths = self.lengths[indices]
        mask = np.arange(lengths.max()) < lengths[:, None]
        tokens = np.full(mask.shape, self.pad, dtype=np.int64)
        spans = zip(self.ends[indices] - lengths, self.ends[indices], strict=True)
        tokens[mask] = np.concatenate([self.tokens[start:end] for start, end in spans])
        return (
            torch.from_numpy(tokens).to(device),
            None if mask.all() else torch.from_numpy(mask).to(device),
            torch.from_numpy(self.focus[indices]).to(device),
            torch.from_numpy(self.labels[indices]).to(device),
        )


def encode_examples(
    examples: pd.DataFrame, tokenizer: Path, *, context_length: int
) -> EncodedExamples:
    """Turn examples into tokens.

    Parameters
    ----------
    examples
        Columns contig, start, sequence, focus and label.
    tokenizer
        ``tokenizer.json``.
    context_length
        Most tokens that the model reads.

    Raises
    ------
    InputError
        If an example has more tokens than the model reads.
    """
    loaded, overlap = load_tokenizer(tokenizer), overlap_of(tokenizer)
    vocabulary = read_vocabulary(tokenizer)
    parts, focus = [], []
    rows = zip(examples["sequence"], examples["focus"], strict=True)
    for number, (sequence, base) in enumerate(rows):
        ids, starts = encode_sequence(loaded, sequence, overlap)
        if len(ids) + 2 > context_length:
            raise _too_long(examples.iloc[number], len(ids) + 2, context_length)
        parts.append(np.array([vocabulary.cls, *ids, vocabulary.sep], dtype=np.int32))
        # The first token of the sequence is the second of the input.
        focus.append(int(np.searchsorted(starts, base, side="right")))
    return EncodedExamples(
        np.concatenate(parts),
        np.cumsum([len(part) for part in parts]),
        np.array(focus, dtype=np.int64),
        examples["label"].to_numpy(dtype=np.int64),
        vocabulary.pad,
    )


def mirrored(examples: pd.DataFrame) -> pd.DataFrame:
    """Return the same examples as the other strand shows them."""
    turned = [reverse_complement(text.encode()).decode() for text in examples["sequence"]]
    lengths = examples["sequence"].str.len()
    return examples.assign(sequence=turned, focus=lengths - 1 - examples["focus"])


def joined(first: EncodedExamples, second: EncodedExamples) -> EncodedExamples:
    """Return the examples of both, one after the other."""
    return EncodedExamples(
        np.concatenate([first.tokens, second.tokens]),
        np.concatenate([first.ends, second.ends + first.ends[-1]]),
        np.concatenate([first.focus, second.focus]),
        np.concatenate([first.labels, second.labels]),
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


def _too_long(example: pd.Series, length: int, context_length: int) -> InputError:
    return InputError(
        f"the example at {example['contig']}:{example['start']:,} has {length:,} tokens, but the "
        f"model reads {context_length:,} at most",
        expected="examples that fit into the model's context",
        remedy="lower `upstream` and `downstream` of the task, or pretrain a model with a larger "
        "`context_length`",
    )
