"""What is asked of an explanation."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_lib.application.explanation.gradients import BASELINES
from pipeline_lib.application.inputs import SEQUENCE, read_inputs
from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, some

METHODS = ("mutagenesis", "gradients", "dependencies")


@dataclass(frozen=True)
class Settings:
    """How sequences are explained, and what is drawn.

    Attributes
    ----------
    method
        ``mutagenesis``, ``gradients`` or ``dependencies``.
    target
        Of a tuned model; None for the usual one.
    baseline, steps, tolerance
        Of gradients.
    rounds
        In how many rounds a masked language model hides a sequence.
    where
        Values that columns of the input must have, as text.
    sequences
        Most sequences; evenly spread over the input.
    focus
        Base at which sequences are aligned; None: as the input says, or the middle.
    average
        Whether the mean over sequences is drawn.
    seqlet_width, most_seqlets, permutations, level
        Of motifs: bases of a stretch, how many stretches, random ones, and largest q-value.
    logos
        Most sequences that are drawn one by one.
    seed
        Of everything random.
    """

    method: str
    target: str | None = None
    baseline: str = "uniform"
    steps: int = 32
    tolerance: float = 0.01
    rounds: int = 7
    where: dict[str, str] = field(default_factory=dict)
    sequences: int = 1_000
    focus: int | None = None
    average: bool = False
    seqlet_width: int = 8
    most_seqlets: int = 2_000
    permutations: int = 1_000
    level: float = 0.05
    logos: int = 20
    seed: int = 42

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("--method", self.method, METHODS),
            ("--baseline", self.baseline, BASELINES),
        ):
            if value not in allowed:
                raise InputError(
                    f"`{name}` is {value!r}",
                    expected=" or ".join(allowed),
                    remedy=f"correct `{name}`",
                )

    def identity(self) -> dict[str, Any]:
        """Return what decides about the numbers."""
        return asdict(self)


def chosen_sequences(
    path: Path, genome: Path | None, settings: Settings, sequence_column: str = SEQUENCE
) -> pd.DataFrame:
    """Return the sequences of an input that are to be explained.

    Raises
    ------
    InputError
        If the input cannot be read, a column is missing, or no row has the values asked for.
    """
    table = read_inputs(path, genome, sequence_column=sequence_column)
    for column, value in settings.where.items():
        if column not in table:
            raise InputError(
                f"there is no column {column!r}; the input has {some(list(table.columns), 8)}",
                path=path,
                expected=f"a column of the input (the nearest: {nearest(column, table.columns)})",
                remedy="correct `--where`",
            )
        texts = table[column].astype(str)
        if not (texts == value).any():
            raise InputError(
                f"no row has {value!r} in the column {column!r}",
                path=path,
                expected=f"one of its values, such as {some(sorted(set(texts)), 4)}",
                remedy="correct `--where`",
            )
        table = table[texts == value]
    if len(table) > settings.sequences:
        step = len(table) / settings.sequences
        table = table.iloc[[int(number * step) for number in range(settings.sequences)]]
    return table.reset_index(drop=True)
