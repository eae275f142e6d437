"""Copying over long distances: a random word, and the same word again further on.

The background is random, so that there is nothing else to know. Bits are those of the second
word; what is saved is counted against the same input in which the first word is another one.
The first quarter of the second word is not measured: a model of the next token cannot know yet
that the word has begun.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.likelihood import guessed
from pipeline_lib.evaluation.metrics import ratio
from pipeline_lib.evaluation.zero.contrast import Resampling
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.evaluation.zero.reader import BASES, Array
from pipeline_lib.randomness import named_generator

MARGIN = 16
FEWEST = 4


@dataclass(frozen=True, slots=True)
class Haystack:
    """Where the two words are in an input of a length; bases."""

    first: int
    second: int
    word: int
    length: int

    @property
    def measured(self) -> tuple[int, int]:
        """The part of the second word whose bits are measured."""
        return self.second + self.word // 4, self.second + self.word


def measure_needles(
    reader: ModelReader, settings: ZeroConfig, resampling: Resampling
) -> list[dict[str, Any]]:
    """Measure how well a word is copied over each distance, words being resampled.

    Returns
    -------
    list of dict
        For each ``distance`` in bases, from the beginning of one word to that of the other: how
        many ``needles``; ``saved`` bits per base; ``bits`` per base; and ``accuracy``, the share
        of the tokens that are the model's first guess. Empty if the context has no room for two
        words.
    """
    found = []
    for haystack in haystacks(reader, settings):
        most = settings.max_bases // haystack.length
        count = min(settings.needles, max(FEWEST, most))
        one = _measure(reader, haystack, count, resampling)
        if one is not None:
            found.append(one)
    return found


def haystacks(reader: ModelReader, settings: ZeroConfig) -> list[Haystack]:
    """Return the arrangements to try: distances that double, up to what the context holds.

    All lengths are multiples of the tokenizer's words where these have one length and do not
    overlap: elsewhere a copy would be cut into other words.
    """
    overlap = reader.encoder.vocabulary.overlap
    step = reader.word if reader.word and not overlap else 1

    def whole(bases: int) -> int:
        return bases // step * step

    margin = max(step, whole(MARGIN))
    word = whole(min(settings.needle_length, (reader.reach - 2 * margin) // 2))
    if word < 8:
        return []
    longest = min(whole(reader.reach) - 2 * margin - word, whole(settings.needle_distance))
    distances = {longest} if longest >= word else set()
    distance = word
    while distance < longest:
        distances.add(distance)
        distance *= 2
    return [
        Haystack(margin, margin + distance, word, 2 * margin + distance + word)
        for distance in sorted(distances)
    ]


def _measure(
    reader: ModelReader, haystack: Haystack, count: int, resampling: Resampling
) -> dict[str, Any] | None:
    generator = named_generator(resampling.seed, "zero needles", haystack.second)
    pairs = [plant(haystack, generator) for _ in range(count)]
    pairs = [pair for pair in pairs if all(len(reader.parts(one)) == 1 for one in pair)]
    if len(pairs) < FEWEST:
        return None
    start, end = haystack.measured
    copies, controls = ([pair[i] for pair in pairs] for i in (0, 1))
    bits, tokens, bases = reader.bits_within(copies, start, end)
    without, _, other_bases = reader.bits_within(controls, start, end)
    hits, _, _ = reader.bits_within(copies, start, end, guessed)
    if not (bases.all() and other_bases.all()):
        return None

    def per_base(weights: Array) -> Array:
        with_copy = ratio(weights @ bits, weights @ bases.astype(np.float64))
        alone = ratio(weights @ without, weights @ other_bases.astype(np.float64))
        right = ratio(weights @ hits, weights @ tokens.astype(np.float64))
        return np.stack([alone - with_copy, with_copy, right], axis=1)

    names = ("saved", "bits", "accuracy")
    intervals = resampling.of(per_base, np.arange(len(pairs)))
    return {
        "distance": haystack.second - haystack.first,
        "needles": len(pairs),
        **dict(zip(names, intervals, strict=True)),
    }


def plant(haystack: Haystack, generator: np.random.Generator) -> tuple[bytes, bytes]:
    """Return an input that holds a word twice, and the same with another first word."""
    letters = np.frombuffer(BASES, dtype=np.uint8)
    random: Callable[[int], Any] = lambda size: letters[generator.integers(4, size=size)]  # noqa: E731
    text, word = random(haystack.length), random(haystack.word)
    control = text.copy()
    for place in (haystack.first, haystack.second):
        text[place : place + haystack.word] = word
    control[haystack.second : haystack.second + haystack.word] = word
    return text.tobytes(), control.tobytes()
