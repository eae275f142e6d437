"""Coding sequences and gene territory from an annotation, contig by contig."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_lib.errors import InputError
from pipeline_lib.genome.annotation import read_features
from pipeline_lib.intervals import EMPTY, Intervals

# Features that describe whole stretches of a contig; all other top-level features count as genes.
LANDMARKS = frozenset(
    (
        "biological_region",
        "cDNA_match",
        "chromosome",
        "contig",
        "match",
        "region",
        "scaffold",
        "sequence_assembly",
        "sequence_feature",
        "supercontig",
    )
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The coding part of one transcript.

    Attributes
    ----------
    gene
        Identifier of the gene it belongs to.
    strand
        "+" or "-".
    parts
        ``(start, end)`` of its CDS segments on the forward strand, in order of transcription.
    phase
        Bases of the first segment before its first whole codon: 0 unless the 5' end is missing.
    """

    gene: str
    strand: str
    parts: tuple[tuple[int, int], ...]
    phase: int

    @property
    def start_codon(self) -> int | None:
        """Leftmost base of the start codon, forward strand; None where an intron splits it."""
        start, end = self.parts[0]
        if end - start < 3:
            return None
        return start if self.strand == "+" else end - 3

    @property
    def stop_codon(self) -> int | None:
        """Leftmost base of the last codon, forward strand; None where an intron splits it."""
        start, end = self.parts[-1]
        if end - start < 3:
            return None
        return end - 3 if self.strand == "+" else start


@dataclass
class Coding:
    """What an annotation says about one contig."""

    transcripts: list[Transcript] = field(default_factory=list)
    coding: dict[str, Intervals] = field(default_factory=lambda: {"+": EMPTY, "-": EMPTY})
    genes: Intervals = EMPTY


def read_coding(annotation: Path) -> dict[str, Coding]:
    """Read the coding sequences and genes of an annotation.

    CDS lines that share a parent (or, without one, an identifier) are one transcript. Genes are
    all features without a parent, except landmarks such as chromosomes, and all CDS.

    Parameters
    ----------
    annotation
        ``annotation.gff3.gz`` of a genome folder.

    Returns
    -------
    dict
        One entry for each contig with features; transcripts in the order of the file.

    Raises
    ------
    InputError
        If there is no CDS feature.
    """
    parts: dict[tuple[str, str, str], list[tuple[int, int, int]]] = defaultdict(list)
    territory: dict[str, list[tuple[int, int]]] = defaultdict(list)
    parents: dict[str, str] = {}
    for number, feature in enumerate(read_features(annotation)):
        if feature.type == "CDS":
            names = feature.parents or (feature.id or f"CDS {number + 1}",)
            for name in names:
                segment = (feature.start, feature.end, feature.phase or 0)
                parts[feature.contig, feature.strand, name].append(segment)
        elif feature.parents:
            parents[feature.id or ""] = next(iter(feature.parents))
            continue
        if feature.type not in LANDMARKS:
            territory[feature.contig].append((feature.start, feature.end))
    if not parts:
        raise InputError(
            "has no CDS features",
            path=annotation,
            expected="the coding sequences of genes",
            remedy="give an annotation with CDS lines in `genome.assemblies`",
        )
    return _by_contig(parts, territory, parents)


def _by_contig(
    parts: dict[tuple[str, str, str], list[tuple[int, int, int]]],
    territory: dict[str, list[tuple[int, int]]],
    parents: dict[str, str],
) -> dict[str, Coding]:
    result = {contig: Coding(genes=Intervals.of(pairs)) for contig, pairs in territory.items()}
    strands: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for (contig, strand, name), segments in parts.items():
        if strand not in ("+", "-"):
            continue
        ordered = sorted(segments, reverse=strand == "-")
        pairs = tuple((start, end) for start, end, _ in ordered)
        gene = _root(name, parents)
        result[contig].transcripts.append(Transcript(gene, strand, pairs, ordered[0][2]))
        strands[contig, strand].extend(pairs)
    for (contig, strand), spans in strands.items():
        result[contig].coding[strand] = Intervals.of(spans)
    return result


def _root(name: str, parents: dict[str, str]) -> str:
    seen = {name}
    while name in parents and parents[name] not in seen:
        name = parents[name]
        seen.add(name)
    return name.removeprefix("gene:").removeprefix("gene-")
