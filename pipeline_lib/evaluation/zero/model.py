"""A language model as a reader of sequence, whatever its family and its tokenizer.

A model of the next token gives likelihoods. A masked model gives pseudo-likelihoods, as in
:mod:`pipeline_lib.evaluation.pretraining`: every token is hidden once, in a few rounds, and never
together with a word that gives part of it away.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.evaluation.likelihood import Measure, next_token_bits
from pipeline_lib.evaluation.pretraining import BATCH_TOKENS, token_bits
from pipeline_lib.evaluation.windows import Window, assign_rounds, batches, masked_inputs
from pipeline_lib.evaluation.zero.reader import (
    BASES,
    Array,
    own_bases,
    ratios_of_whole,
    substituted,
)
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.encode import SentenceEncoder

Tokens = NDArray[np.int64]
NOWHERE = ("", "", 0)
PROBE = 20_000
"""Random bases by which it is measured how many of them fit into a context."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of a sequence that are read together.

    Attributes
    ----------
    sequence
        Number of the sequence.
    tokens
        Ids; shape (length,).
    first, size
        The bases of the sequence that each token accounts for; 0 for a word of which all are
        accounted for by others. Shape (length,).
    """

    sequence: int
    tokens: Tokens
    first: Tokens
    size: Tokens


@dataclass(frozen=True)
class ModelReader:
    """A language model with its tokenizer.

    Attributes
    ----------
    network
        Of the next token, or of masked ones.
    encoder
        Its tokenizer.
    context_length
        Most tokens of an input, [CLS] and [SEP] included.
    rounds
        In how many rounds a masked model hides all tokens.
    seed
        Seed of the rounds.
    """

    network: LanguageModel
    encoder: SentenceEncoder
    context_length: int
    rounds: int
    seed: int

    @cached_property
    def probe(self) -> Tokens:
        """Letters of each token of some random bases."""
        generator = named_generator(self.seed, "zero reach")
        letters = bytes(np.frombuffer(BASES, np.uint8)[generator.integers(4, size=PROBE)])
        return self._spans(self.encoder.encode([letters])[0].astype(np.int64))

    @cached_property
    def word(self) -> int:
        """Bases of every word, 0 if words differ in length."""
        spans = set(self.probe[:-1].tolist())  # the last word may be shorter
        return spans.pop() if len(spans) == 1 else 0

    @cached_property
    def reach(self) -> int:
        """Bases that fit into an input. Of words of unequal length: so many random bases."""
        room, overlap = self.context_length - 2, self.encoder.vocabulary.overlap
        if self.word:
            return room + overlap if overlap else room * self.word
        return int(0.9 * room * PROBE / len(self.probe))

    def bits(self, sequences: Sequence[bytes]) -> list[Array]:
        """Return the bits of every base; see :class:`~.reader.Reader`.

        Sequences that are longer than the context are read in parts of equal length.
        """
        found = [np.full(len(sequence), np.nan) for sequence in sequences]
        parts = [part for number, one in enumerate(sequences) for part in self.parts(one, number)]
        windows = [
            Window(part.tokens, NOWHERE, self._rounds(part.size > 0, "bits", place))
            for place, part in enumerate(parts)
        ]
        for part, values in zip(parts, self._read(windows), strict=True):
            owner = np.repeat(np.arange(len(part.tokens)), part.size)
            before = np.repeat(np.cumsum(part.size) - part.size, part.size)
            places = part.first[owner] + np.arange(len(owner)) - before
            found[part.sequence][places] = (values / np.maximum(part.size, 1))[owner]
        return found

    def bits_within(
        self, sequences: Sequence[bytes], start: int, end: int, measure: Measure | None = None
    ) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
        """Measure the tokens that lie wholly between two bases; a masked model sees all others.

        Parameters
        ----------
        sequences
            Of equal length; each fits into an input.
        start, end
            Bases, half-open.
        measure
            What is measured of every token; its bits if None.

        Returns
        -------
        sums, tokens, bases
            For each sequence the sum of the measure, how many tokens it is of, and their bases.
        """
        windows, chosen, bases = [], [], []
        for number, sequence in enumerate(sequences):
            (part,) = self.parts(sequence, number)
            within = (part.size > 0) & (part.first >= start) & (part.first + part.size <= end)
            windows.append(Window(part.tokens, NOWHERE, self._rounds(within, "within", number)))
            chosen.append(within)
            bases.append(int(part.size[within].sum()))
        values = self._read(windows, measure)
        sums = [one[within].sum() for one, within in zip(values, chosen, strict=True)]
        counts = [int(within.sum()) for within in chosen]
        return np.array(sums), np.array(counts), np.array(bases)

    def ratios(self, windows: Sequence[bytes], places: Sequence[int]) -> Array:
        """Return log2 likelihood ratios of substitutions; see :class:`~.reader.Reader`.

        Of a model of the next token: of whole windows. Of a masked model with words of one length:
        of the word that holds the base, hidden, and of those that overlap with it. Otherwise a
        substitution changes where tokens begin and end: of the tokens that it changes, each
        hidden alone.
        """
        if not windows:
            return np.empty((0, 4))
        if self.network.causal:
            return ratios_of_whole(self, windows, places)
        return (self._word_ratios if self.word else self._changed_ratios)(windows, places)

    def parts(self, sequence: bytes, number: int = 0) -> list[Part]:
        """Return a sequence as parts that fit into an input; letters but A, C, G, T in none."""
        parts = []
        for run in re.finditer(rb"[ACGT]+", sequence):
            tokens = self.encoder.encode([run[0]])[0].astype(np.int64)
            count = max(1, -(-len(tokens) // (self.context_length - 2)))
            first = run.start()
            for index, some in enumerate(np.array_split(tokens, count)):
                parts.append(self._part(number, some, first, index == 0, index == count - 1))
                first += int(self.encoder.vocabulary.lengths[some].sum())
        return parts

    def _part(self, number: int, tokens: Tokens, first: int, begins: bool, ends: bool) -> Part:
        vocabulary = self.encoder.vocabulary
        lengths, overlap = vocabulary.lengths[tokens].astype(np.int64), vocabulary.overlap
        starts = first + np.cumsum(lengths) - lengths
        if not overlap:
            return Part(number, tokens, starts, lengths)
        if not self.network.causal:
            # Words side by side; the last ones of a part share bases with the next part.
            apart = np.zeros(len(tokens), dtype=bool)
            apart[: len(tokens) - (0 if ends else overlap) : overlap + 1] = True
            return Part(number, tokens, starts, np.where(apart, self._spans(tokens), 0))
        # The next word shares all bases but its last with what is already known.
        size = np.ones_like(starts)
        last = starts + self._spans(tokens) - 1
        if begins:
            size[0] = last[0] - starts[0] + 1
        return Part(number, tokens, last - size + 1, size)

    def _spans(self, tokens: Tokens) -> Tokens:
        """Return the letters of each token."""
        words = self.encoder.vocabulary.words
        return np.array([len(words[token]) for token in tokens.tolist()], dtype=np.int64)

    def _rounds(self, chosen: NDArray[np.bool_], purpose: str, number: int) -> Tokens:
        rounds = np.full(len(chosen), -1)
        generator = named_generator(self.seed, "zero", purpose, number)
        rounds[chosen] = assign_rounds(int(chosen.sum()), self.rounds, generator)
        return rounds

    def _read(
        self, windows: list[Window], measure: Measure | None = None, rounds: int | None = None
    ) -> list[Array]:
        vocabulary = self.encoder.vocabulary
        if self.network.causal:
            return next_token_bits(self.network, windows, vocabulary, measure)
        return token_bits(self.network, windows, rounds or self.rounds, vocabulary, measure)

    def _word_ratios(self, windows: Sequence[bytes], places: Sequence[int]) -> Array:
        hidden, candidates = [], np.zeros((len(windows), 4), dtype=np.int64)
        for number, (window, place) in enumerate(zip(windows, places, strict=True)):
            (part,) = self.parts(window)
            starts = part.first if not self.encoder.vocabulary.overlap else np.arange(len(window))
            # Of words that overlap the one whose middle is the base.
            wanted = place - (self.word // 2 if self.encoder.vocabulary.overlap else 0)
            index = int(np.searchsorted(starts[: len(part.tokens)], wanted, side="right")) - 1
            index = max(index, 0)
            rounds = np.where(np.arange(len(part.tokens)) == index, 0, -1)
            hidden.append(Window(part.tokens, NOWHERE, rounds))
            for column, base in enumerate(BASES):
                other = substituted(window, place, base)
                candidates[number, column] = self.encoder.encode([other])[0][index]
        scores = self._log_probabilities(hidden, candidates)
        own = own_bases(windows, places)
        return scores - scores[np.arange(len(own)), own][:, None]

    @torch.inference_mode()
    def _log_probabilities(self, windows: list[Window], candidates: Tokens) -> Array:
        """Return log2 p of some tokens where the one token of a window is hidden."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network, vocabulary = self.network.to(device).eval(), self.encoder.vocabulary
        found = np.empty(candidates.shape)
        for indices in batches(windows, BATCH_TOKENS):
            tokens, hidden = masked_inputs([windows[i] for i in indices], 0, vocabulary)
            inputs, targets = torch.from_numpy(tokens).to(device), torch.from_numpy(hidden)
            logits = network(inputs, inputs != vocabulary.pad, targets.to(device)).double()
            columns = torch.from_numpy(candidates[indices]).to(device)
            # Only differences are asked for: what all tokens have in common cancels out.
            found[indices] = logits.gather(1, columns).cpu().numpy() / np.log(2)
        return found

    def _changed_ratios(self, windows: Sequence[bytes], places: Sequence[int]) -> Array:
        own = own_bases(windows, places)
        pairs: list[Window] = []
        for window, place in zip(windows, places, strict=True):
            tokens = self.encoder.encode([window])[0]
            for base in BASES:
                other = self.encoder.encode([substituted(window, place, base)])[0]
                pairs += self._changed(tokens, other)
        rounds = max(int(window.rounds.max()) + 1 for window in pairs)
        bits = self._read(pairs, rounds=max(rounds, 1))
        sums = np.array([np.nansum(one) for one in bits]).reshape(len(windows), 4, 2)
        ratios = sums[:, :, 0] - sums[:, :, 1]
        ratios[np.arange(len(own)), own] = 0.0
        return np.asarray(ratios)

    def _changed(self, tokens: NDArray[np.uint16], other: NDArray[np.uint16]) -> Iterable[Window]:
        """Return both, the tokens that differ hidden one after another."""
        shortest = min(len(tokens), len(other))
        same = np.append(tokens[:shortest] == other[:shortest], False)
        before = int(np.argmin(same))
        alike = np.append(tokens[::-1][: shortest - before] == other[::-1][: shortest - before], 0)
        after = int(np.argmin(alike))
        for one in (tokens, other):
            changed = np.arange(len(one))
            inside = (changed >= before) & (changed < len(one) - after)
            rounds = np.where(inside, changed - before, -1)
            # A window that is too long is cut at both ends.
            room = self.context_length - 2
            cut = min(max(0, before - room // 2), max(0, len(one) - room))
            kept = slice(cut, cut + room)
            yield Window(one[kept].astype(np.int64), NOWHERE, rounds[kept])
