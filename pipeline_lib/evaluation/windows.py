"""Windows of held-out tokens, and rounds that hide each token once from a masked model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.blocks import BLOCK, Block, chosen_blocks
from pipeline_lib.randomness import named_generator
from pipeline_lib.shards.reader import Shards
from pipeline_lib.tokenizer.vocabulary import Vocabulary

Tokens = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive tokens of a document.

    Attributes
    ----------
    tokens
        Without [CLS] and [SEP]; shape (length,).
    place
        Assembly, contig and number of the 10 kb block that the middle of the window lies in: the
        same for both strands.
    rounds
        The round in which each token is hidden, -1 where it is not scored; shape (length,). Of
        words that overlap, those are scored that lie side by side.
    """

    tokens: Tokens
    place: Block
    rounds: NDArray[np.int64]


def read_windows(
    shards: Shards,
    vocabulary: Vocabulary,
    *,
    context_length: int,
    max_bases: int,
    rounds: int,
    seed: int,
) -> list[Window]:
    """Cut documents into windows of equal length, as few as the context allows.

    Parameters
    ----------
    shards
        Tokens of the held-out split.
    vocabulary
        Tokens that the shards are written in.
    context_length
        Most tokens of an input, [CLS] and [SEP] included.
    max_bases
        If the split has more bases than this, windows are taken from evenly spread blocks.
    rounds
        In how many rounds tokens are hidden.
    seed
        Seed of the rounds.
    """
    spans, strands = set(), set()
    for assembly, contig, strand, start, end in shards.spans():
        spans.add((assembly, contig, start, end))
        strands.add(strand)
    chosen = chosen_blocks(spans, max_bases, strands=len(strands))
    windows: list[Window] = []
    for document, assembly, contig, strand, start, end, tokens in shards.rows():
        parts = max(1, -(-len(tokens) // (context_length - 2)))
        read = 0
        for part, window in enumerate(np.array_split(tokens.astype(np.int64), parts)):
            bases = int(vocabulary.lengths[window].sum())
            middle = read + bases // 2
            place = start + middle if strand == "+" else end - 1 - middle
            read += bases
            if len(window) == 0 or (assembly, contig, place // BLOCK) not in chosen:
                continue
            generator = named_generator(seed, "rounds", document, part)
            drawn = np.full(len(window), -1)
            # The last words share bases with the next window.
            apart = slice(0, max(0, len(window) - vocabulary.overlap), vocabulary.overlap + 1)
            drawn[apart] = assign_rounds(len(drawn[apart]), rounds, generator)
            windows.append(Window(window, (assembly, contig, place // BLOCK), drawn))
    return windows


def assign_rounds(length: int, rounds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return a random round for each token: rounds hide equally many tokens, to within one."""
    return np.asarray(generator.permutation(length) % rounds)


def masked_inputs(
    windows: list[Window], round_number: int, vocabulary: Vocabulary
) -> tuple[Tokens, NDArray[np.bool_]]:
    """Return one round's inputs of some windows.

    Returns
    -------
    tokens
        [CLS], the window with the round's tokens replaced by [MASK], [SEP], then [PAD]; shape
        (windows, length). Words that share bases with them are replaced too.
    hidden
        Which tokens are to be predicted; same shape.
    """
    width = max(len(window.tokens) for window in windows) + 2
    tokens = np.full((len(windows), width), vocabulary.pad, dtype=np.int64)
    hidden = np.zeros(tokens.shape, dtype=bool)
    for row, window in enumerate(windows):
        size = len(window.tokens)
        chosen = window.rounds == round_number
        tokens[row, 0], tokens[row, size + 1] = vocabulary.cls, vocabulary.sep
        gone = chosen
        if vocabulary.overlap:
            around = np.ones(2 * vocabulary.overlap + 1)
            gone = np.convolve(chosen, around)[vocabulary.overlap : -vocabulary.overlap] > 0.5
        tokens[row, 1 : size + 1] = np.where(gone, vocabulary.mask, window.tokens)
        hidden[row, 1 : size + 1] = chosen
    return tokens, hidden


def batches(windows: list[Window], tokens: int) -> Iterator[list[int]]:
    """Yield the indices of windows of like length, with at most about ``tokens`` in a batch."""
    order = np.argsort([-len(window.tokens) for window in windows], kind="stable")
    first = 0
    while first < len(order):
        size = max(1, tokens // (len(windows[order[first]].tokens) + 2))
        yield order[first : first + size].tolist()
        first += size
