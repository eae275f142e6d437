"""Scores of variants of sequence in memory, and the way to a scorer from a model folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.scoring.alleles import (
    LONG,
    NO_ROOM,
    Change,
    InMemory,
    UpperCase,
    misplaced,
    normalised,
    unusable,
)
from pipeline_lib.application.scoring.language import LanguageScorer
from pipeline_lib.application.scoring.tuned import TunedScorer
from pipeline_lib.application.scoring.windows import Pair
from pipeline_lib.finetuning.scorer import HEAD

Scorer = LanguageScorer | TunedScorer
Allele = tuple[str | None, int, str, str]
"""Contig (None: unknown), place from 0, reference and alternative allele."""


def open_scorer(
    model: Path, *, window: int = 0, embedding: bool = True, batch_tokens: int = 8_192
) -> Scorer:
    """Return what scores variants with a model.

    Parameters
    ----------
    model
        Folder of a pretrained or, with ``head.safetensors``, of a tuned model.
    window
        Bases of a window; 0: as many as fit into the context, up to 2,048.
    embedding
        Of a pretrained model: also tell how far embeddings move.
    batch_tokens
        Of a pretrained model: most tokens read at a time.

    Raises
    ------
    InputError
        If the folder holds no model that can score variants.
    """
    if (Path(model) / HEAD).exists():
        return TunedScorer(Path(model), window=window)
    return LanguageScorer(
        Path(model), window=window, embedding=embedding, batch_tokens=batch_tokens
    )


def score_variants(
    scorer: Scorer, sequence: bytes, variants: Sequence[tuple[int, str, str]]
) -> list[dict[str, float | str]]:
    """Return the scores of variants of one sequence.

    Parameters
    ----------
    scorer
        As :func:`open_scorer` returns it.
    sequence
        Bases in either case.
    variants
        Place from 0, reference and alternative allele of each; alleles are not empty, as in VCF.

    Returns
    -------
    list of dict
        For each variant its scores by name: ``LLR``, ``COSINE``, ``L2`` of a pretrained model,
        ``{output}_REF``, ``_ALT``, ``_DIFF``, ``_LFC`` of a tuned one, with ``..._SPREAD``
        between the strands; or ``skipped``, the reason why there are none.
    """
    alleles: list[Allele] = [("sequence", place, ref, alt) for place, ref, alt in variants]
    reasons, columns = score_alleles(scorer, UpperCase(InMemory(sequence)), alleles)
    found: list[dict[str, float | str]] = []
    for row, reason in enumerate(reasons):
        if reason:
            found.append({"skipped": reason})
            continue
        values: dict[str, float | str] = {}
        for name, column in columns.items():
            if not scorer.outputs:
                values[name] = float(column[row])
            else:
                for output, value in zip(scorer.outputs, column[row], strict=True):
                    values[f"{output}_{name}"] = float(value)
        found.append(values)
    return found


def score_alleles(
    scorer: Scorer, genome: UpperCase, alleles: Sequence[Allele]
) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Return the scores of alleles of a genome.

    Parameters
    ----------
    scorer
        As :func:`open_scorer` returns it.
    genome
        Source of the windows.
    alleles
        In any order.

    Returns
    -------
    reasons
        Why an allele has no scores, "" for those that have; see
        :data:`~pipeline_lib.application.scoring.alleles.REASONS`.
    columns
        Scores by name, NaN where there are none; shape (alleles,), or (alleles, outputs) of a
        tuned model.
    """
    reasons, pairs, rows = [], [], []
    for row, (contig, start, ref, alt) in enumerate(alleles):
        reason = unusable(ref, alt) or misplaced(genome, contig, start, ref)
        if not reason:
            assert contig is not None
            reason, pair = _windows(scorer, genome, normalised(genome, contig, start, ref, alt))
            if pair is not None:
                pairs.append(pair)
                rows.append(row)
        reasons.append(reason)
    columns = {}
    for name, values in scorer.score(pairs).items():
        columns[name] = np.full((len(alleles), *values.shape[1:]), np.nan)
        columns[name][rows] = values
    return reasons, columns


def _windows(scorer: Scorer, genome: UpperCase, change: Change) -> tuple[str, Pair | None]:
    if max(len(change.removed), len(change.added)) > scorer.windows.length // 2:
        return LONG, None
    pair = scorer.windows.pair(genome, change)
    return ("", pair) if pair is not None else (NO_ROOM, None)
