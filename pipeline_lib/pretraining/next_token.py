"""The next token as the objective, and the other two tasks of DNAGPT (Zhang et al. 2023).

A sample is ``<species> words <=>`` in the language of DNAGPT. For the order of the sequence,
``<B>`` follows, and the next word is A if the sequence stands as in the genome, N if it was
turned; for the share of G and C, ``<M>`` follows, and the number is read off its vector. How many
samples have which task is not published: it is set by the configuration.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.pretraining import NumberTasks
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import (
    Examples,
    Flags,
    Ids,
    repeat_weights,
    sample_chances,
)
from pipeline_lib.tokenizer.vocabulary import Vocabulary

ASK_CLASS, ASK_NUMBER = "<B>", "<M>"
AS_IS, TURNED = "A", "N"
Weights = NDArray[np.float32]
_TASK, _TURN = 8, 9  # streams of chance


def next_tokens(batch: Batch, *, vocabulary: Vocabulary, repeat_weight: float = 1.0) -> Examples:
    """Ask for every token but special ones and those with N, from what stands before it."""
    known = vocabulary.predictable[batch.tokens]
    targets = np.zeros(known.shape, dtype=bool)
    targets[:, :-1] = known[:, 1:]
    wanted = np.zeros_like(known)
    wanted[:, 1:] = targets[:, :-1]
    return Examples(
        inputs=batch.tokens,
        shown=batch.tokens != vocabulary.pad,
        targets=targets,
        answers=batch.tokens[wanted],
        weights=repeat_weights(batch, wanted, repeat_weight),
    )


def with_number_tasks(
    examples: Examples, batch: Batch, *, tasks: NumberTasks, vocabulary: Vocabulary, seed: int
) -> Examples:
    """Ask of some samples whether they were turned, and of some what share of G and C they have.

    Samples that ask for their order ask for nothing else: turned sequence is no sequence to
    learn from. Where a sample fills the context, its last word makes room for the question.
    Samples with an N are asked neither.
    """
    lines = _Lines.of(examples, vocabulary)
    task = sample_chances(batch, seed, _TASK)
    turn = sample_chances(batch, seed, _TURN) < 0.5
    order = task < tasks.order_share
    number = ~order & (task < tasks.order_share + tasks.number_share)
    turned = vocabulary.turned(complement=tasks.order_transform == "reverse_complement")
    for row in np.flatnonzero(order | number):
        words = examples.inputs[row, 1 : examples.shown[row].sum() - 1]
        if not len(words) or not vocabulary.predictable[words].all():
            continue
        if order[row]:
            words = words[:-1]  # often shorter than the others: it would give its end away
            lines.ask_order(row, turned[words][::-1] if turn[row] else words, bool(turn[row]))
        else:
            lines.ask_number(row, words[: examples.inputs.shape[1] - 3])
    return lines.examples(examples)


@dataclass
class _Lines:
    """Examples with room for one more token, that can be written to.

    Attributes
    ----------
    inputs, shown, targets, answers, weights, number_places, numbers
        As in :class:`Examples`, but all of the shape (batch, length + 1).
    """

    vocabulary: Vocabulary
    inputs: Ids
    shown: Flags
    targets: Flags
    answers: Ids
    weights: Weights
    number_places: Flags
    numbers: Weights

    @classmethod
    def of(cls, examples: Examples, vocabulary: Vocabulary) -> Self:
        rows, length = examples.inputs.shape
        inputs = np.full((rows, length + 1), vocabulary.pad, dtype=np.int64)
        shown, targets, places = (np.zeros(inputs.shape, dtype=bool) for _ in range(3))
        inputs[:, :-1], shown[:, :-1] = examples.inputs, examples.shown
        targets[:, :-1] = examples.targets
        answers = np.zeros(inputs.shape, dtype=np.int64)
        answers[targets] = examples.answers
        weights = np.ones(inputs.shape, dtype=np.float32)
        if examples.weights is not None:
            weights[targets] = examples.weights
        numbers = np.zeros(inputs.shape, dtype=np.float32)
        return cls(vocabulary, inputs, shown, targets, answers, weights, places, numbers)

    def ask_order(self, row: np.intp, words: Ids, turned: bool) -> None:
        last = self._write(row, words, ASK_CLASS)
        self.targets[row] = False
        self.targets[row, last] = True
        self.answers[row, last] = self.vocabulary.id(TURNED if turned else AS_IS)
        self.weights[row, last] = 1.0

    def ask_number(self, row: np.intp, words: Ids) -> None:
        last = self._write(row, words, ASK_NUMBER)
        self.targets[row, len(words) :] = False
        self.number_places[row, last] = True
        self.numbers[row, last] = gc_share(words, self.vocabulary)

    def _write(self, row: np.intp, words: Ids, question: str) -> int:
        """Write a line that ends with a question; return the place of the question."""
        end = len(words) + 3
        line = [self.inputs[row, 0], *words, self.vocabulary.sep, self.vocabulary.id(question)]
        self.inputs[row], self.shown[row] = self.vocabulary.pad, False
        self.inputs[row, :end], self.shown[row, :end] = line, True
        return end - 1

    def examples(self, examples: Examples) -> Examples:
        used = int(self.shown.sum(axis=1).max())
        targets, places = self.targets[:, :used], self.number_places[:, :used]
        weights = self.weights[:, :used][targets]
        return replace(
            examples,
            inputs=self.inputs[:, :used],
            shown=self.shown[:, :used],
            targets=targets,
            answers=self.answers[:, :used][targets],
            weights=None if examples.weights is None else weights,
            number_places=places,
            numbers=self.numbers[:, :used][places],
        )


def gc_share(words: Ids, vocabulary: Vocabulary) -> float:
    """Return the share of G and C among the bases of words."""
    text = "".join(vocabulary.words[word] for word in words)
    return (text.count("G") + text.count("C")) / max(len(text), 1)


def number_task_words(vocabulary: Vocabulary) -> list[str]:
    """Return the words that DNAGPT's tasks need and a vocabulary lacks."""
    return [word for word in (ASK_CLASS, ASK_NUMBER, AS_IS, TURNED) if word not in vocabulary.words]
