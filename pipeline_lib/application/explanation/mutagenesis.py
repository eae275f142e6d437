"""In-silico mutagenesis: every base of a sequence is changed to the three others."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline_lib.application.explanation.model import Array, TunedOutput
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.sequence import base_codes

BASES = "ACGT"
LETTERS = 4_000_000
"""Letters of changed sequences that are held at a time."""


def mutate(model: TunedOutput, row: pd.DataFrame) -> tuple[float, Array]:
    """Return what a tuned model says of a sequence, and how each substitution changes it.

    Parameters
    ----------
    model
        What is explained.
    row
        Table of one sequence.

    Returns
    -------
    value, effects
        Of the sequence itself; and for A, C, G and T at every base the difference to it, 0 for
        the base that is there; shape (length, 4).
    """
    sequence: str = row["sequence"].iloc[0]
    found = [model.values(part) for part in _in_parts(row, [sequence, *substitutions(sequence)])]
    values = np.concatenate(found)
    effects = np.zeros((len(sequence), 4))
    effects[others(sequence)] = values[1:] - values[0]
    return float(values[0]), effects


def mutate_read(reader: ModelReader, row: pd.DataFrame) -> tuple[float, Array]:
    """Return the log2-likelihood of a sequence, and how each substitution changes it.

    Of a masked model the sum is a pseudo-likelihood, and changes are those of the word that holds
    the base, hidden; see :meth:`ModelReader.ratios`.

    Returns
    -------
    value, effects
        As of :func:`mutate`, in bits.

    Raises
    ------
    InputError
        If the sequence does not fit into the context.
    """
    sequence = row["sequence"].iloc[0].encode()
    check_fits(reader, sequence, row["name"].iloc[0])
    value = -float(np.nansum(reader.bits([sequence])[0]))
    return value, reader.ratios([sequence] * len(sequence), range(len(sequence)))


def importance(effects: Array, sequence: str) -> Array:
    """Return how much each base matters: minus the mean effect of its three changes.

    Shape (length,) of effects (length, 4); positive where the base raises the output.
    """
    changed = effects[others(sequence)].reshape(len(sequence), 3)
    return np.asarray(-changed.mean(axis=1))


def substitutions(sequence: str) -> Iterator[str]:
    """Yield a sequence with each base changed, in the order of places, then of the letters."""
    for place, own in enumerate(sequence):
        for base in BASES:
            if base != own:
                yield sequence[:place] + base + sequence[place + 1 :]


def others(sequence: str) -> np.ndarray:
    """Return which of A, C, G and T does not stand at each base; boolean, (length, 4)."""
    codes = base_codes(sequence.encode())
    return np.asarray(codes[:, None] != np.arange(4))


def check_fits(reader: ModelReader, sequence: bytes, name: str) -> None:
    """Refuse a sequence that a language model cannot read at once.

    Raises
    ------
    InputError
        Naming the sequence, its tokens and the context.
    """
    tokens = len(reader.encoder.encode([sequence])[0])
    if tokens > reader.context_length - 2:
        raise InputError(
            f"{name} has {tokens:,} tokens, but the model reads {reader.context_length - 2:,} "
            "beside the first and the last",
            expected="sequences that fit into the model's context",
            remedy="shorten the sequences, or take a model with a larger `context_length`",
        )


def _in_parts(row: pd.DataFrame, sequences: list[str]) -> Iterator[pd.DataFrame]:
    """Yield tables of the same example with other sequences, each of a bounded size."""
    size = max(1, LETTERS // len(sequences[0]))
    for first in range(0, len(sequences), size):
        part = sequences[first : first + size]
        table = row.iloc[np.zeros(len(part), dtype=int)].reset_index(drop=True)
        yield table.assign(sequence=part)
