"""Models as readers of windows: language models, and models tuned to a task."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline_lib.application.annotation.plan import Plan as Laid
from pipeline_lib.application.annotation.shape import Shape
from pipeline_lib.application.server.tracks import (
    BASES,
    Array,
    Plan,
    Window,
    overlapping,
    padded,
    sliding,
    text_of,
)
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.finetuning.scorer import Scorer
from pipeline_lib.finetuning.training import mean_scores

TOGETHER = 128
"""Windows that are encoded at once."""
_LETTERS = re.compile(rb"[ACGT]+")


@dataclass(frozen=True)
class LanguageTracks:
    """A language model: how surprising every base is to it, in bits.

    Attributes
    ----------
    reader
        The model.
    reach
        Bases of a window: as many as fit into its context, or fewer.
    """

    reader: ModelReader
    reach: int

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return ("bits",)

    def plan(self, length: int) -> Plan:
        """Return how a sequence of ``length`` bases is read."""
        causal = self.reader.network.causal
        return Plan(0, 1, overlapping(length, self.reach, causal=causal))

    def read(
        self, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
    ) -> list[Array]:
        """Return -log2 p of the bases of some windows; NaN where a letter is N."""
        found = []
        for window in windows:
            check()
            # One at a time: which bases are hidden together depends on the place in a batch.
            bits = self.reader.bits([text_of(sequence, window)])[0]
            kept = bits[window.first - window.start : window.last - window.start]
            found.append(kept[:, None])
        return found

    def ratios(self, sequence: bytes, place: int) -> dict[str, float]:
        """Return log2 of how much likelier each base is at a place than the one that is there.

        Empty if there is an N.
        """
        for run in _LETTERS.finditer(sequence):
            if run.start() <= place < run.end():
                start = max(run.start(), min(place - self.reach // 2, run.end() - self.reach))
                window = sequence[start : min(start + self.reach, run.end())]
                ratios = self.reader.ratios([window], [place - start])[0]
                return dict(zip(BASES, ratios.tolist(), strict=True))
        return {}


@dataclass(frozen=True)
class TunedTracks:
    """A model tuned to a task: its scores of windows, or of the bins in their middle.

    Values are those of :mod:`pipeline_lib.application.annotation` for the forward strand.

    Attributes
    ----------
    scorer
        The model.
    shape
        How it is laid along a sequence.
    most
        Windows of a sequence at most, if each has one score: of a longer sequence only every
        second, third ... is read.
    only
        Letters that must stand at the base that a window is about; elsewhere there is no value.
    """

    scorer: Scorer
    shape: Shape
    most: int
    only: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return self.scorer.target.names

    def plan(self, length: int) -> Plan:
        """Return how a sequence of ``length`` bases is read."""
        shape, window = self.shape, self.shape.window
        if length < window:
            if shape.dense:
                return padded(length, window, shape.units, shape.size)
            return Plan(length // 2, 1, (Window(0, length, 0, 1),))
        if not shape.dense:
            return sliding(length, window, shape.first, self.most)
        laid = Laid(shape, 0, length)
        windows = []
        for number in range(len(laid)):
            first, last = laid.bins(number, number + 1)
            begin = int(laid.begins(number, number + 1)[0])
            start = begin * shape.size - laid.before
            own = (first - laid.first, last - laid.first)
            windows.append(Window(start, start + window, *own, skip=first - begin))
        return Plan(laid.first * shape.size, shape.size, tuple(windows))

    def read(
        self, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
    ) -> list[Array]:
        """Return the scores of some windows; see :meth:`Scorer.score`."""
        found: list[Array] = []
        for first in range(0, len(windows), TOGETHER):
            check()
            found += self._read(sequence, windows[first : first + TOGETHER], check)
        return found

    def _read(
        self, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
    ) -> list[Array]:
        texts = [text_of(sequence, window).decode() for window in windows]
        focus = [self.shape.first if len(t) == self.shape.window else len(t) // 2 for t in texts]
        table = pd.DataFrame({"sequence": texts, "focus": focus})
        shown = np.ones(len(texts), dtype=bool)
        if self.shape.dense:
            del table["focus"]
        else:
            pairs = zip(texts, focus, strict=True)
            shown[:] = [t[at] != "N" and t.startswith(self.only, at) for t, at in pairs]
        outputs = len(self.outputs)
        scores = np.full((len(texts), self.shape.units, outputs), np.nan)
        if shown.any():
            # What is too long for the context is cut around its focus, whatever the task did.
            how = replace(self.scorer.how, too_long="crop")
            views = how.views(table[shown], self.scorer.tokenizer, self.scorer.context_length)
            scores[shown] = mean_scores(
                self.scorer.classifier,
                self.scorer.objective,
                *views,
                precision=how.precision,
                between=check,
            ).reshape(-1, self.shape.units, outputs)
        return [
            values[window.skip : window.skip + window.last - window.first]
            for window, values in zip(windows, scores, strict=True)
        ]
