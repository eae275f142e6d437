"""Where examples lie, in words: contigs, and regions of an annotation."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.zero.genes import REGIONS, Regions, read_regions
from pipeline_lib.finetuning.examples import Examples

PROMOTER = 500
"""Bases before a gene that count as its promoter."""


def where_examples_lie(examples: Examples, annotation: Path | None) -> dict[str, NDArray[np.str_]]:
    """Return for each example its contig, and the region of the base that it is about.

    Labels are left out, whose scores take too long for every place. So are tasks without
    coordinates, and what all examples have in common.

    Parameters
    ----------
    examples
        With ``contig``, and ``position`` or ``start`` and ``end``, where they are known.
    annotation
        ``annotation.gff3.gz`` of the assembly that they lie in, if there is one.

    Returns
    -------
    dict
        ``by_contig`` and ``by_region``; arrays of shape (examples,), "" where nothing is known.
    """
    table = examples.table
    if examples.target.kind not in ("class", "numbers"):
        return {}
    contigs = table["contig"].to_numpy().astype(str)
    assemblies = table["assembly"].to_numpy().astype(str)
    several = len(set(assemblies)) > 1
    named = np.array(
        [f"{one}:{contig}" if several and contig else contig
         for one, contig in zip(assemblies, contigs, strict=True)], dtype=str,
    )  # fmt: skip
    found = {"by_contig": named}
    if annotation is not None:
        regions = read_regions(annotation, set(contigs.tolist()), PROMOTER)
        middle = (table["start"].to_numpy() + table["end"].to_numpy()) // 2
        position = np.where(table["position"] >= 0, table["position"], middle)
        found["by_region"] = np.array(
            [
                REGIONS[int(regions.get(contig, Regions({})).of(base, base + 1)[0])]
                if contig and base >= 0
                else ""
                for contig, base in zip(contigs.tolist(), position.tolist(), strict=True)
            ],
            dtype=str,
        )
    return {name: where for name, where in found.items() if len(set(where.tolist())) > 1}
