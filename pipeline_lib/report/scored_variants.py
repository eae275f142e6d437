"""Figure of scored variants: how scores of substitutions, insertions and deletions are spread."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.application.scoring.vcf import Record, VariantFile
from pipeline_lib.report.style import BLUE, GREEN, GREY, ORANGE, Outputs, canvas, publish

KINDS = {"substitution": BLUE, "insertion": ORANGE, "deletion": GREEN, "other": GREY}
WIDEST, BINS = 12.0, 96
"""Scores beyond this many bits stand at the edge of the figure."""


def spread_of_scores(scored: Path, prefix: str, *, outputs: Outputs) -> None:
    """Draw the distribution of a score by the kind of variant.

    Parameters
    ----------
    scored
        VCF that ``dnalm score`` wrote; read record by record.
    prefix
        Of its fields. Drawn is the likelihood ratio, or of a tuned model the change of the log2
        odds of its first output, or of the one that changes most.
    """
    file = VariantFile(scored)
    named = [line.partition("ID=")[2].partition(",")[0] for line in file.header
             if line.startswith(f"##INFO=<ID={prefix}_")]  # fmt: skip
    ends = ("_LLR", "_LFC", "_DIFF")
    field = next(name for end in ends for name in named if name.endswith(end))
    counts = {kind: np.zeros(BINS, dtype=np.int64) for kind in KINDS}
    sums = {kind: np.zeros(3) for kind in KINDS}
    without: Counter[str] = Counter()
    edges = np.linspace(-WIDEST, WIDEST, BINS + 1)
    for record in file:
        info = dict(part.partition("=")[::2] for part in record.info.split(";"))
        values = info.get(field, "").split(",")
        for place, alt in enumerate(record.alts):
            kind = _kind(record, alt)
            if place >= len(values) or values[place] in ("", "."):
                without[kind] += 1
                continue
            value = float(values[place])
            cell = int(np.searchsorted(edges, np.clip(value, -WIDEST, WIDEST), side="right")) - 1
            counts[kind][min(cell, BINS - 1)] += 1
            sums[kind] += (1, value, abs(value))
    figure, (axis,) = canvas(width=7.5, height=4)
    for kind, colour in KINDS.items():
        if total := counts[kind].sum():
            axis.stairs(counts[kind] / total, edges, color=colour, linewidth=1.6,
                        label=f"{kind} ({total:,})")  # fmt: skip
    used = np.flatnonzero(np.sum(list(counts.values()), axis=0))
    if len(used):
        axis.set_xlim(edges[used[0]] - 0.5, edges[used[-1] + 1] + 0.5)
        axis.legend(fontsize=9)
    axis.set(xlabel=f"{field} (log2)" if not field.endswith("_DIFF") else field,
             ylabel="share of alleles", title="Scores of variants")  # fmt: skip
    rows = [
        {"kind": kind, "scored": int(count), "without scores": without[kind],
         "mean": total / count if count else float("nan"),
         "mean size": size / count if count else float("nan")}
        for kind, (count, total, size) in sums.items()
    ]  # fmt: skip
    publish(figure, pd.DataFrame(rows), outputs, title=f"Scores of variants: {field}")


def _kind(record: Record, alt: str) -> str:
    if not alt.isalpha() or len(record.ref) == len(alt):
        return "substitution" if alt.isalpha() else "other"
    return "insertion" if len(alt) > len(record.ref) else "deletion"
