"""Sequences of any length as inputs of a model: pieces of tokens that fit into its context."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.tokenizer.encode import (
    SentenceEncoder,
    encode_sequence,
    load_tokenizer,
    overlap_of,
)
from pipeline_lib.tokenizer.vocabulary import GAP_LENGTH

PIECE = 1 << 20
"""Bases that are turned into tokens at a time."""
_ODD = re.compile(rb"[^ACGTN]|N{%d}" % GAP_LENGTH)

Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Window:
    """Neighbouring tokens of a sequence, without special ones.

    Attributes
    ----------
    row
        Number of the sequence.
    ids
        Shape (tokens,).
    starts
        First base of each token in the sequence; shape (tokens,).
    bases
        How many bases begin in the window and end before the next.
    """

    row: int
    ids: Integers
    starts: Integers
    bases: int


class Windows:
    """Cuts sequences into windows that fit into the context of a model.

    Parameters
    ----------
    tokenizer
        ``tokenizer.json``.
    context_length
        Most tokens that the model reads, [CLS] and [SEP] included.
    too_long
        ``windows``: sequences that do not fit are cut into windows of like length, as few as
        possible; ``error``: they are refused.
    """

    def __init__(self, tokenizer: Path, context_length: int, too_long: str = "windows") -> None:
        self._slow, self._overlap = load_tokenizer(tokenizer), overlap_of(tokenizer)
        self._fast = SentenceEncoder(tokenizer)
        self.vocabulary = self._fast.vocabulary
        self.room, self._too_long = context_length - 2, too_long

    def of(self, row: int, sequence: str, name: str) -> Iterator[Window]:
        """Yield the windows of a sequence, in order.

        Raises
        ------
        InputError
            If it does not fit into the context, and is not to be cut.
        """
        ids, starts = self._fitting(sequence, name)
        count = -(-len(ids) // self.room)
        cuts = np.linspace(0, len(ids), count + 1).astype(int).tolist()
        edges = [*starts[cuts[:-1]].tolist(), len(sequence)]
        for number, (first, last) in enumerate(pairwise(cuts)):
            bases = edges[number + 1] - edges[number]
            yield Window(row, ids[first:last], starts[first:last], bases)

    def around(self, row: int, sequence: str, name: str, base: int) -> tuple[Window, int]:
        """Return the window around a base, and which of its tokens holds that base.

        Raises
        ------
        InputError
            As of :meth:`of`.
        """
        ids, starts = self._fitting(sequence, name)
        token = int(np.searchsorted(starts, base, side="right")) - 1
        first = min(max(token - self.room // 2, 0), max(len(ids) - self.room, 0))
        own = slice(first, first + self.room)
        return Window(row, ids[own], starts[own], len(sequence)), token - first

    def _fitting(self, sequence: str, name: str) -> tuple[Integers, Integers]:
        """Return tokens and their starts; refuse too many of them if they are not to be cut."""
        # The last words that overlap begin before the end.
        begun = max(len(sequence) - max(self._overlap - 1, 0), 1)
        parts = [self._tokens(sequence, first) for first in range(0, begun, PIECE)]
        ids, starts = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(ids) > self.room and self._too_long == "error":
            raise InputError(
                f"sequence {name!r} has {len(ids):,} tokens, but the model reads {self.room:,} "
                "beside [CLS] and [SEP]",
                expected="sequences that fit into the model's context",
                remedy="let them be cut with `--too-long windows`, or shorten them",
            )
        return ids, starts

    def _tokens(self, sequence: str, first: int) -> tuple[Integers, Integers]:
        """Return the tokens of a piece of a sequence, and where each begins."""
        # Words that overlap reach into the next piece.
        text = sequence[first : first + PIECE + max(self._overlap - 1, 0)]
        letters = text.encode()
        if _ODD.search(letters):
            found, places = encode_sequence(self._slow, text, self._overlap)
            return np.array(found, dtype=np.int32), np.array(places, dtype=np.int32) + first
        ids = self._fast.encode([letters])[0].astype(np.int32)
        starts = np.arange(len(ids))
        if not self._overlap:
            lengths = self.vocabulary.lengths[ids]
            starts = np.cumsum(lengths) - lengths
        return ids, (starts + first).astype(np.int32)
