"""The next token as the objective, and the other two tasks of DNAGPT (Zhang et al. 2023).

A sample is ``<species> words <=>`` in the language of DNAGPT. For the order of the sequence,
``<B>`` follows, and the next word is A if the sequence stands as in the genome, N if it was
turned; for the share of G and C, ``<M>`` follows, and the number is read off its vector. How many
samples have which task is not published: it is set by the configuration.
"""

from dataclasses import replace

import numpy as np

from pipeline_lib.config.pretraining import NumberTasks
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import Examples, Ids, repeat_weights, sample_chances
from pipeline_lib.tokenizer.vocabulary import Vocabulary

ASK_CLASS, ASK_NUMBER = "<B>", "<M>"
AS_IS, TURNED = "A", "N"
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
    """
    inputs, shown, targets = (
        np.pad(array, ((0, 0), (0, 1)), constant_values=fill)
        for array, fill in (
            (examples.inputs, vocabulary.pad), (examples.shown, 0), (examples.targets, 0)
        )
    )  # fmt: skip
    answers = np.zeros(inputs.shape, dtype=np.int64)
    answers[targets] = examples.answers
    weights = np.ones(inputs.shape, dtype=np.float32)
    if examples.weights is not None:
        weights[targets] = examples.weights
    number_places = np.zeros(inputs.shape, dtype=bool)
    numbers = np.zeros(inputs.shape, dtype=np.float32)
    task = sample_chances(batch, seed, _TASK)
    turn = sample_chances(batch, seed, _TURN) < 0.5
    order = task < tasks.order_share
    number = ~order & (task < tasks.order_share + tasks.number_share)
    turned_words = vocabulary.turned(complement=tasks.order_transform == "reverse_complement")
    for row in np.flatnonzero(order | number):
        words = inputs[row, 1 : shown[row].sum() - 1]
        if not vocabulary.predictable[words].all() or not len(words):
            continue  # the share of G and C is not known where there is an N
        if order[row] or len(words) == examples.inputs.shape[1] - 2:
            words = words[:-1]  # often shorter than k: it would tell which end is the end
        if order[row] and turn[row]:
            words = turned_words[words][::-1]
        asked = vocabulary.id(ASK_CLASS if order[row] else ASK_NUMBER)
        line = np.array([inputs[row, 0], *words, vocabulary.sep, asked])
        inputs[row], shown[row] = vocabulary.pad, False
        inputs[row, : len(line)], shown[row, : len(line)] = line, True
        last = len(line) - 1
        targets[row, len(words) :] = False
        if order[row]:
            targets[row] = False
            targets[row, last] = True
            answers[row, last] = vocabulary.id(TURNED if turn[row] else AS_IS)
            weights[row, last] = 1.0
        else:
            number_places[row, last] = True
            numbers[row, last] = gc_share(words, vocabulary)
    used = max(int(shown.sum(axis=1).max()), 1)
    inputs, shown, targets, number_places = (
        array[:, :used] for array in (inputs, shown, targets, number_places)
    )
    return replace(
        examples,
        inputs=inputs,
        shown=shown,
        targets=targets,
        answers=answers[:, :used][targets],
        weights=None if examples.weights is None else weights[:, :used][targets],
        number_places=number_places,
        numbers=numbers[:, :used][number_places],
    )


def gc_share(words: Ids, vocabulary: Vocabulary) -> float:
    """Return the share of G and C among the bases of words."""
    text = "".join(vocabulary.words[word] for word in words)
    return (text.count("G") + text.count("C")) / max(len(text), 1)


def number_task_words(vocabulary: Vocabulary) -> list[str]:
    """Return the words that DNAGPT's tasks need and a vocabulary lacks."""
    return [word for word in (ASK_CLASS, ASK_NUMBER, AS_IS, TURNED) if word not in vocabulary.words]
