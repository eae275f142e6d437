"""Windows as tokens, for tokenizers of every kind."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.scoring.alleles import Change, UpperCase
from pipeline_lib.application.scoring.windows import LEAST, Pair, Reading, readings
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.vocabulary import Vocabulary

Tokens = NDArray[np.int64]
LONGEST = 2_048
"""Bases of a window where the context would hold more and no length is asked for."""
SHRINK = 0.8


@dataclass(frozen=True)
class WindowTokens:
    """A tokenizer, and how many bases a model reads at once.

    Attributes
    ----------
    encoder
        The tokenizer.
    room
        Most tokens of a window, without special tokens.
    length
        Bases of a window.
    word
        Bases of every word, 0 if words differ in length.
    """

    encoder: SentenceEncoder
    room: int
    length: int
    word: int

    @classmethod
    def of(
        cls, network: LanguageModel, tokenizer: Path, context: int, window: int, usual: int = 0
    ) -> "WindowTokens":
        """Return the windows of a model; ``window``: bases, 0 for ``usual`` or as many as fit.

        Raises
        ------
        InputError
            If windows of that length do not fit into the context.
        """
        encoder = SentenceEncoder(tokenizer)
        reader = ModelReader(network, encoder, context, 1, 0)
        if window and (window > reader.reach or window < LEAST):
            raise InputError(
                f"windows of {window:,} bases",
                path=tokenizer.parent,
                expected=f"{LEAST} to {reader.reach:,}, what fits into the model's context",
                remedy="give another `--window`",
            )
        usual = usual if LEAST <= usual <= reader.reach else min(reader.reach, LONGEST)
        return cls(encoder, context - 2, window or usual, reader.word)

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens."""
        return self.encoder.vocabulary

    @cached_property
    def spans(self) -> Tokens:
        """Letters of each token; shape (vocabulary,)."""
        return np.array([len(word) for word in self.vocabulary.words], dtype=np.int64)

    def encode(self, windows: list[bytes]) -> list[Tokens]:
        """Return the ids of each window, without special tokens."""
        tokens, ends = self.encoder.encode(windows)
        parts = np.split(tokens.astype(np.int64), ends[:-1]) if len(windows) else []
        return [np.asarray(part) for part in parts]

    def starts(self, tokens: Tokens) -> Tokens:
        """Return the first base of each token of a window."""
        if self.vocabulary.overlap:
            return np.arange(len(tokens))
        lengths = self.spans[tokens]
        return np.asarray(np.cumsum(lengths) - lengths)

    def pair(self, genome: UpperCase, change: Change) -> Pair | None:
        """Return the windows of a change; shorter ones where words of unequal length need it."""
        length = self.length
        word = self.word if self.word and not self.vocabulary.overlap else 1
        while True:
            found = readings(genome, change, length, word)
            if found is None or self.word or self._fits(found):
                return found
            length = int(length * SHRINK)

    def _fits(self, pair: Pair) -> bool:
        windows = [text for reading in pair for text in (reading.reference, reading.alternative)]
        return all(len(tokens) <= self.room for tokens in self.encode(windows))


def changed_tokens(
    reading: Reading, starts: Tokens, tokens: Tokens, other_starts: Tokens, others: Tokens
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which tokens of either window the other one has not, at the same place.

    Both windows have as many bases, so that both sides' changed tokens have: after an insertion
    those at the far end that only the reference still holds are among them.

    Parameters
    ----------
    reading
        The windows.
    starts, tokens
        Of the reference: first base and id of each token.
    other_starts, others
        Of the alternative.
    """
    before = other_starts + reading.slide
    behind = before >= reading.place + reading.added
    # Places of the alternative in the coordinates of the reference; none inside the allele.
    place = np.where(behind, before - reading.added + reading.removed, before)
    inside = ~behind & (before >= reading.place)
    place = np.where(inside, np.iinfo(np.int64).min, place)
    base = np.int64(1 << 20)
    one, other = starts * base + tokens, place * base + others
    other = np.where(inside, -1, other)
    return ~np.isin(one, other), ~np.isin(other, one)
