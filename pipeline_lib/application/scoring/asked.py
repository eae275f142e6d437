"""What a masked model is asked, and small tools of all scorers."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.scoring.tokens import Tokens
from pipeline_lib.tokenizer.vocabulary import Vocabulary

Array = NDArray[np.float64]


@dataclass
class Hidden:
    """Inputs with hidden tokens, and the tokens whose probability is asked for there.

    Attributes
    ----------
    rows
        Tokens of each input, hidden ones replaced.
    row, place, token, owner, weight
        For each probability: the input, the index in it, the token, which sum log2 p is added
        to, and times what.
    """

    rows: list[Tokens] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    token: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)

    def ask(self, row: int, place: int, token: int, owner: int, weight: float) -> None:
        """Ask for the probability of a token at a place of an input."""
        for values, value in zip(
            (self.row, self.place, self.token, self.owner, self.weight),
            (row, place, token, owner, weight),
            strict=True,
        ):
            values.append(value)  # type: ignore[attr-defined]


def hide(tokens: Tokens, places: Tokens, vocabulary: Vocabulary) -> Tokens:
    """Return tokens of which some, and all that share bases with them, are hidden."""
    found = tokens.copy()
    reach = np.arange(-vocabulary.overlap, vocabulary.overlap + 1)
    gone = (places[:, None] + reach).ravel()
    found[gone[(gone >= 0) & (gone < len(tokens))]] = vocabulary.mask
    return found


def batches(lengths: list[int], most: int) -> list[list[int]]:
    """Return the numbers of inputs of like length, of about so many tokens with padding."""
    order = np.argsort([-length for length in lengths], kind="stable").tolist()
    found, first = [], 0
    while first < len(order):
        size = max(1, most // (lengths[order[first]] + 2))
        found.append(order[first : first + size])
        first += size
    return found


def strands(values: dict[str, Array]) -> dict[str, Array]:
    """Return the mean of both strands and their absolute difference.

    Parameters
    ----------
    values
        Shape (variants, 2, ...).
    """
    found = {}
    for name, both in values.items():
        found[name] = both.mean(axis=1)
        found[f"{name}_SPREAD"] = np.abs(both[:, 0] - both[:, 1])
    return found
