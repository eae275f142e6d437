"""How a tuned model is laid along a sequence: what it reads, and of which bases it then speaks."""

from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.scorer import Scorer

EDGE = 0.25
"""Share of the bins at either end of a window that another window speaks of instead."""


@dataclass(frozen=True)
class Shape:
    """A window and its outputs.

    Attributes
    ----------
    window
        Bases that the model reads.
    first
        The first of them that an output is about, in reading direction.
    units
        Bins of outputs, side by side; 1 for a model of whole sequences.
    size
        Bases of a bin. For a model of whole sequences: bases from one window to the next.
    edge
        Bins at either end whose values are taken from the next window, which sees more of what
        lies around them. Only at the ends of a stretch of sequence there is no next window.
    dense
        Whether the outputs lie along the sequence.
    """

    window: int
    first: int
    units: int
    size: int
    edge: int
    dense: bool

    @property
    def covered(self) -> int:
        """Bases that the outputs of a window are about: the focus alone, or all bins."""
        return self.units * self.size if self.dense else 1

    @property
    def behind(self) -> int:
        """Bases of the window behind those that its outputs are about."""
        return self.window - self.first - self.covered


def shape_of(
    scorer: Scorer,
    *,
    window: int | None = None,
    focus: int | None = None,
    step: int = 1,
    edge: float = EDGE,
    model: Path | None = None,
) -> Shape:
    """Return how a tuned model is laid along a sequence.

    Parameters
    ----------
    scorer
        Any tuned model that is given one sequence, and no numbers beside it.
    window
        Bases that it reads; None: as in training, or for models of bases and tracks whose head
        does not say so as many as they speak of.
    focus
        For a model of whole sequences: the base, from 0, that an example is about; None: as in
        training, or the middle.
    step
        For a model of whole sequences: bases from one window to the next.
    edge
        For models of bases and tracks: share of the bins at either end that is not used.
    model
        Folder of the model, named in messages.

    Raises
    ------
    InputError
        If the model needs more than a sequence, or nothing says how much it reads.
    """
    _check(scorer, step, edge, model)
    usual = scorer.how.window
    known = (usual, scorer.how.focus) if usual and window in (None, usual) else None
    if scorer.target.dense:
        return _dense(scorer, window or (known[0] if known else None), edge)
    if window is None and known is None:
        raise InputError(
            "the head does not say how many bases the model reads",
            path=model,
            expected="the head of a model that this version of dnalm has tuned",
            remedy="give `--window`, and `--focus` unless the middle is what examples are about",
        )
    bases = window or (known[0] if known else 0)
    place = focus if focus is not None else known[1] if known else -1
    if place >= bases:
        raise InputError(
            f"the focus is base {place:,} of a window of {bases:,}",
            expected="a focus inside the window, counted from 0",
            remedy="lower `--focus`, or raise `--window`",
        )
    return Shape(bases, place if place >= 0 else bases // 2, 1, step, 0, False)


def _check(scorer: Scorer, step: int, edge: float, model: Path | None) -> None:
    if scorer.how.pairs:
        raise InputError(
            "the model reads pairs of sequences",
            path=model,
            expected="a model of one sequence",
            remedy="choose another model",
        )
    if scorer.how.number_count:
        raise InputError(
            f"the model was given {scorer.how.number_count} numbers with each sequence",
            path=model,
            expected="a model that reads sequence alone",
            remedy="tune a model to a task without numbers",
        )
    if step < 1 or not 0 <= edge < 0.5:
        raise InputError(
            f"the step is {step} and the edge {edge}",
            expected="a step of at least 1 base, and an edge of at least 0 and less than 0.5",
            remedy="correct `--step` or `--edge`",
        )


def _dense(scorer: Scorer, window: int | None, edge: float) -> Shape:
    target = scorer.target
    needed = target.units * target.bin
    bases = needed if window is None else window
    if bases < needed or (bases - needed) % 2:
        raise InputError(
            f"the window has {bases:,} bases",
            expected=f"{needed:,}, of which the model speaks, and as many more on either side",
            remedy="leave `--window` out, or give another",
        )
    away = min(int(target.units * edge), (target.units - 1) // 2)
    return Shape(bases, (bases - needed) // 2, target.units, target.bin, away, True)
