"""Genes of an annotation, each with its place and kind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.coding import LANDMARKS
from pipeline_lib.genome.annotation import read_features


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene; ``start`` and ``end`` on the forward strand, half-open.

    ``attributes`` are those of its line in the annotation.
    """

    name: str
    contig: str
    strand: str
    start: int
    end: int
    attributes: dict[str, str]

    def first(self, keys: Sequence[str]) -> str:
        """Return the first of some attributes that the gene has, ``""`` if it has none."""
        return next((self.attributes[key] for key in keys if self.attributes.get(key)), "")


def read_genes(annotation: Path) -> list[Gene]:
    """Return the genes of an annotation: all features with a strand, but without a parent.

    Features that describe whole stretches of a contig are left out, and of genes that have the
    name of one before them only the first counts.

    Raises
    ------
    InputError
        If there is no annotation, or no gene in it.
    """
    if not annotation.exists():
        raise InputError(
            "the assembly has no annotation",
            path=annotation.parent,
            expected=annotation.name,
            remedy="set `annotation` of the entry in `genome.assemblies` to its GFF3 file",
        )
    genes: dict[str, Gene] = {}
    for number, feature in enumerate(read_features(annotation)):
        if feature.parents or feature.type in LANDMARKS or feature.strand not in ("+", "-"):
            continue
        name = (feature.id or f"feature {number + 1}").removeprefix("gene:").removeprefix("gene-")
        place = (feature.contig, feature.strand, feature.start, feature.end)
        genes.setdefault(name, Gene(name, *place, feature.attributes))
    if not genes:
        raise InputError(
            "has no genes with a strand",
            path=annotation,
            expected="lines of type gene, without a parent",
            remedy="give an annotation with genes in `genome.assemblies`",
        )
    return list(genes.values())


def gene_table(genes: Iterable[Gene]) -> pd.DataFrame:
    """Return the columns contig, strand, start, end and gene."""
    rows = [(g.contig, g.strand, g.start, g.end, g.name) for g in genes]
    return pd.DataFrame(rows, columns=["contig", "strand", "start", "end", "gene"])
