"""Scores as INFO fields: their names, descriptions and values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.scoring.alleles import REASONS
from pipeline_lib.application.scoring.single import Scorer
from pipeline_lib.application.scoring.tuned import TunedScorer

Array = NDArray[np.float64]
FEW = 8
"""Outputs that each have fields of their own."""

DESCRIPTIONS = {
    "LLR": "log2 of the likelihood ratio of the alternative to the reference allele ({how})",
    "COSINE": "Cosine distance of the mean embeddings of the windows with either allele",
    "L2": "Euclidean distance of the mean embeddings of the windows with either allele",
    "REF": "Output with the reference allele",
    "ALT": "Output with the alternative allele",
    "DIFF": "Output with the alternative minus output with the reference allele",
    "LFC": "log2 odds with the alternative minus log2 odds with the reference allele",
}
SPREAD = "_SPREAD"
CAUSAL = "whole window"
MASKED = "masked position of substitutions, pseudo-likelihood of the changed tokens of others"


@dataclass(frozen=True)
class Fields:
    """The INFO fields of a model.

    Attributes
    ----------
    prefix
        What all names begin with.
    names
        Columns of scores.
    outputs
        Of a tuned model.
    layout
        ``fields``, ``lists`` or ``strongest``.
    how
        How the likelihood ratio is made.
    """

    prefix: str
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    layout: str
    how: str

    @classmethod
    def of(cls, scorer: Scorer, prefix: str, layout: str) -> "Fields":
        """Return the fields of a scorer; see ``ScoreSettings`` for ``layout``."""
        names = tuple(scorer.score([]))
        outputs = tuple(map(plain, scorer.outputs))
        if layout == "auto":
            layout = "fields" if len(outputs) <= FEW else "strongest"
        causal = not isinstance(scorer, TunedScorer) and scorer.network.causal
        return cls(prefix, names, outputs, layout, CAUSAL if causal else MASKED)

    @property
    def skipped(self) -> str:
        """Field with the reason why an allele has no scores."""
        return f"{self.prefix}_SKIPPED"

    @property
    def mismatch(self) -> str:
        """Flag of a reference allele that is not the genome's."""
        return f"{self.prefix}_REF_MISMATCH"

    def ids(self) -> dict[str, str]:
        """Return the names of all fields of scores, with their descriptions."""
        found = {}
        for output in self.outputs if self.outputs and self.layout == "fields" else ("",):
            for name in self.names:
                own = "_".join(part for part in (self.prefix, *self._middle(output), name) if part)
                found[own] = self._description(name, output)
        return found

    def header(self) -> list[str]:
        """Return the lines that a header gets."""
        number = "." if self.outputs and self.layout == "lists" else "A"
        lines = [
            f'##INFO=<ID={name},Number={number},Type=Float,Description="{text}">'
            for name, text in self.ids().items()
        ]
        if self.outputs and self.layout == "strongest":
            lines.append(
                f"##INFO=<ID={self.prefix}_TOP,Number=A,Type=String,Description="
                f'"Output that changes most: with the largest size of {self._size()}">'
            )
        reasons = "; ".join(f"{name}: {text}" for name, text in REASONS.items())
        lines.append(
            f"##INFO=<ID={self.skipped},Number=.,Type=String,Description="
            f'"Why an alternative allele has no scores, . where it has. {reasons}">'
        )
        lines.append(
            f"##INFO=<ID={self.mismatch},Number=0,Type=Flag,Description="
            '"The reference allele is not what the genome has there: no scores">'
        )
        if self.outputs:
            lines.append(f"##{self.prefix}_OUTPUTS={','.join(self.outputs)}")
        return lines

    def info(self, scores: dict[str, Array], rows: range, reasons: Sequence[str]) -> str:
        """Return what is added to the INFO column of a record.

        Parameters
        ----------
        scores
            Columns; shape (alleles, ...).
        rows
            The alleles of the record.
        reasons
            Of these alleles.
        """
        parts = []
        if not all(reasons) and len(rows):
            parts = [f"{name}={values}" for name, values in self._values(scores, rows).items()]
        if any(reasons):
            parts.append(f"{self.skipped}={','.join(reason or '.' for reason in reasons)}")
        if "REF_MISMATCH" in reasons:
            parts.append(self.mismatch)
        return ";".join(parts)

    def _values(self, scores: dict[str, Array], rows: range) -> dict[str, str]:
        own = slice(rows.start, rows.stop)
        if not self.outputs:
            return {f"{self.prefix}_{name}": _text(scores[name][own]) for name in self.names}
        if self.layout == "lists":
            return {f"{self.prefix}_{name}": _text(scores[name][own]) for name in self.names}
        if self.layout == "fields":
            return {
                f"{self.prefix}_{output}_{name}": _text(scores[name][own, place])
                for place, output in enumerate(self.outputs)
                for name in self.names
            }
        sizes = strength({name: scores[name][own] for name in self.names})
        best = np.nan_to_num(sizes, nan=-1.0).argmax(axis=1)
        known = [bool(np.isfinite(one).all()) for one in sizes]
        names = [self.outputs[at] if fine else "." for at, fine in zip(best, known, strict=True)]
        found = {f"{self.prefix}_TOP": ",".join(names)}
        lines = np.arange(len(best))
        for name in self.names:
            found[f"{self.prefix}_TOP_{name}"] = _text(scores[name][own][lines, best])
        return found

    def _middle(self, output: str) -> tuple[str, ...]:
        if self.outputs and self.layout == "strongest":
            return ("TOP",)
        return (output,)

    def _description(self, name: str, output: str) -> str:
        spread = name.endswith(SPREAD)
        text = DESCRIPTIONS[name.removesuffix(SPREAD)].format(how=self.how)
        what = "absolute difference between the strands" if spread else "mean of both strands"
        of = f"{output}: " if output else ""
        if self.outputs and self.layout == "lists":
            of = f"Allele after allele, in the order of {self.prefix}_OUTPUTS: "
        elif self.outputs and self.layout == "strongest":
            of = f"Output {self.prefix}_TOP: "
        return f"{of}{text}; {what}"

    def _size(self) -> str:
        return "LFC times DIFF" if "LFC" in self.names else "DIFF"


def strength(scores: dict[str, Array]) -> Array:
    """Return how much each output of a tuned model changes, or how strong a likelihood ratio is.

    |LFC x DIFF| where there are odds, as LOGO ranks its outputs; |DIFF| of numbers; |LLR|.
    """
    if "LLR" in scores:
        return np.abs(scores["LLR"])
    if "LFC" in scores:
        return np.abs(scores["LFC"] * scores["DIFF"])
    return np.abs(scores["DIFF"])


def plain(name: str) -> str:
    """Return a name as INFO fields may have it."""
    return re.sub("[^0-9A-Za-z_.]", "_", name)


def _text(values: Array) -> str:
    flat = values.ravel().tolist()
    return ",".join("." if value != value else f"{value:.6g}" for value in flat)
