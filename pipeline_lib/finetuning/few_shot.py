"""Prompts that show a model of the next token some examples with their classes.

``[CLS] x1 [SEP] y1 [SEP] x2 [SEP] y2 [SEP] ... x [SEP]``, and y is asked for (Nguyen et al. 2023,
section 3.3). The class of an example is said by a base or another token of the vocabulary. What is
shown is training examples, always: before a training example others of its split, drawn anew for
each; before all that is scored the same ones, which the tuned model keeps.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.methods import SHORTEST
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.vocabulary import Vocabulary

LETTERS = "ACGTN"
MARKS = 2
"""Tokens after an example that is shown: its class and [SEP]."""


def label_tokens(vocabulary: Vocabulary, classes: int) -> tuple[int, ...]:
    """Return the ids of the tokens that stand for classes: bases if there are enough of them.

    Raises
    ------
    InputError
        If the vocabulary has fewer words than there are classes.
    """
    ids = {word: number for number, word in enumerate(vocabulary.words)}
    bases = [ids[letter] for letter in LETTERS if letter in ids]
    words = list(range(vocabulary.first, len(vocabulary.words)))
    found = bases if len(bases) >= classes else words
    if len(found) < classes:
        raise InputError(
            f"{classes} classes, but the tokenizer has {len(found)} words to say them with",
            remedy="write another `method` for the task",
        )
    return tuple(found[:classes])


def room(context_length: int, shown: int) -> int:
    """Return how many tokens an example may have, ``[CLS]`` and ``[SEP]`` included.

    Raises
    ------
    InputError
        If so many examples do not fit into the context.
    """
    # Each that is shown takes one more than its own tokens: [CLS] goes, its class and [SEP] come.
    left = (context_length - (MARKS - 1) * shown) // (shown + 1)
    if left < SHORTEST:
        raise InputError(
            f"{shown:,} examples to be shown do not fit into a context of {context_length:,} "
            "tokens",
            remedy="lower `demonstrations`, or take a model with a larger `context_length`",
        )
    return left


class Demonstrations:
    """Training examples that are shown with their classes.

    Parameters
    ----------
    examples
        Training examples; of several views of each, one view after the other.
    views
        How many views there are. Those that are shown are of the first.
    labels
        Id of the token of each class.
    each
        How many of each class are shown.
    seed
        Seed of the choice.

    Raises
    ------
    InputError
        If a class has too few examples.
    """

    def __init__(
        self, examples: EncodedExamples, views: int, labels: tuple[int, ...], each: int, seed: int
    ) -> None:
        self._examples, self._labels, self._each = examples, labels, each
        self._seed, self._count = seed, len(examples) // views
        self._classes = examples.targets[:, 0].astype(np.int64)
        own = self._classes[: self._count]
        self._members = [np.flatnonzero(own == number) for number in range(len(labels))]
        fewest = min(len(members) for members in self._members)
        if fewest <= each:
            raise InputError(
                f"a class has {fewest} training examples, of which `demonstrations: {each}` are "
                "to be shown before another one",
                expected=f"at least {each + 1} training examples of each class",
                remedy="lower `demonstrations`, or raise `shots`",
            )

    def prefix(self) -> tuple[int, ...]:
        """Return the tokens that stand before all examples to be scored."""
        shown = self._drawn(named_generator(self._seed, "demonstrations"), leave_out=-1)
        return tuple(int(token) for token in self._shown(shown))

    def prompts(self, count: int | None) -> EncodedExamples:
        """Return training examples with others before them; so many, or all, drawn at random."""
        chosen = np.arange(len(self._examples)) if count is None else self._queries(count)
        parts, targets = [], []
        for query in chosen:
            generator = named_generator(self._seed, "demonstrations of", int(query))
            shown = self._drawn(generator, leave_out=int(query) % self._count)
            parts.append(np.concatenate([self._shown(shown), self._tokens(int(query))[1:]]))
            targets.append(self._examples.targets[query])
        return _assembled(self._examples, parts, np.stack(targets))

    def _queries(self, count: int) -> NDArray[np.int64]:
        """Draw examples to be asked for, in turn of each class."""
        generator = named_generator(self._seed, "queries")
        orders = [generator.permutation(members) for members in self._members]
        longest = max(len(order) for order in orders)
        turns = [order[turn] for turn in range(longest) for order in orders if turn < len(order)]
        return np.array(turns[:count])

    def _drawn(self, generator: np.random.Generator, *, leave_out: int) -> NDArray[np.int64]:
        """Draw examples of each class, in random order."""
        parts = [
            generator.choice(members[members != leave_out], self._each, replace=False)
            for members in self._members
        ]
        return generator.permutation(np.concatenate(parts))

    def _shown(self, shown: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return ``[CLS] x1 [SEP] y1 [SEP] ...``; [CLS] alone if nothing is shown."""
        start = self._tokens(0)
        parts = [start[:1]]
        for example in shown:
            tokens = self._tokens(int(example))
            label = self._labels[self._classes[example]]
            parts.append(np.array([*tokens[1:], label, tokens[-1]], dtype=np.int32))
        return np.concatenate(parts)

    def _tokens(self, example: int) -> NDArray[np.int32]:
        end = int(self._examples.ends[example])
        return self._examples.tokens[end - int(self._examples.lengths[example]) : end]


def with_prefix(examples: EncodedExamples, prefix: tuple[int, ...]) -> EncodedExamples:
    """Return examples with the same tokens before each, in the place of their ``[CLS]``."""
    start = np.array(prefix, dtype=np.int32)
    spans = zip(examples.ends - examples.lengths, examples.ends, strict=True)
    parts = [np.concatenate([start, examples.tokens[first + 1 : end]]) for first, end in spans]
    return _assembled(examples, parts, examples.targets)


def _assembled(
    like: EncodedExamples, parts: list[NDArray[np.int32]], targets: NDArray[np.float32]
) -> EncodedExamples:
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return replace(
        like,
        tokens=np.concatenate(parts),
        ends=np.cumsum(lengths),
        focus=lengths - 1,
        numbers=np.empty((len(parts), 0), dtype=np.float32),
        targets=targets,
    )
