"""Models as readers of windows: language models, and models tuned to a task."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline_lib.application.server.tracks import (
    BASES,
    Array,
    Plan,
    Window,
    overlapping,
    sliding,
    text_of,
    tiled,
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

    Attributes
    ----------
    scorer
        The model.
    window
        Bases of a window.
    focus
        Base of a window that its score is about; -1: its middle. Of no meaning if there are
        scores of bins.
    most
        Windows of a sequence at most.
    """

    scorer: Scorer
    window: int
    focus: int
    most: int

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tracks."""
        return self.scorer.target.names

    def plan(self, length: int) -> Plan:
        """Return how a sequence of ``length`` bases is read."""
        target = self.scorer.target
        if target.dense:
            return tiled(length, self.window, target.units, target.bin)
        return sliding(length, self.window, self.focus, self.most)

    def read(
        self, sequence: bytes, windows: Sequence[Window], check: Callable[[], None]
    ) -> list[Array]:
        """Return the scores of some windows; see :meth:`Scorer.score`."""
        found: list[Array] = []
        # What is too long for the context is cut around its middle, whatever the task did.
        how = replace(self.scorer.how, too_long="crop")
        for first in range(0, len(windows), TOGETHER):
            check()
            chosen = windows[first : first + TOGETHER]
            texts = [text_of(sequence, window).decode() for window in chosen]
            whole = len(texts[0]) == self.window
            table = pd.DataFrame({"sequence": texts, "focus": self.focus if whole else -1})
            if how.target.dense:
                table = table[["sequence"]]
            views = how.views(table, self.scorer.tokenizer, self.scorer.context_length)
            scores = mean_scores(
                self.scorer.classifier,
                self.scorer.objective,
                *views,
                precision=how.precision,
                between=check,
            )
            shape = (len(chosen), -1, len(self.outputs))
            for window, values in zip(chosen, scores.reshape(shape), strict=True):
                found.append(np.asarray(values[: window.last - window.first], dtype=np.float64))
        return found
