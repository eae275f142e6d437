"""Introns of genes, from SpliceAI's table of transcripts or from an annotation."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.rows import split_lines
from pipeline_lib.genome.annotation import read_features

COLUMNS = "gene, paralogs (0 or 1), contig, strand, start, end, ends of exons, starts of exons"


@dataclass(frozen=True, slots=True)
class SplicedGene:
    """A gene with the introns of its transcripts; coordinates on the forward strand, half-open.

    Attributes
    ----------
    name
        Of the gene.
    contig, strand, start, end
        Where it lies.
    introns
        ``(start, end)``, each once, sorted.
    paralogs
        Whether the genome has copies of the gene; False where nothing is known.
    line
        Line of the file that names the contig.
    """

    name: str
    contig: str
    strand: str
    start: int
    end: int
    introns: tuple[tuple[int, int], ...]
    paralogs: bool
    line: int


def read_transcripts(path: Path) -> list[SplicedGene]:
    """Read SpliceAI's table: no header, one transcript a line, coordinates that count from 1.

    The seventh column lists the last bases of exons, the eighth the first bases of the next ones
    (Jaganathan et al. 2019), on the forward strand.

    Raises
    ------
    InputError
        If a line is malformed; the message names it.
    """
    genes = []
    for number, fields in split_lines(path, "\t"):
        if len(fields) < 8:
            _refuse(path, number, f"the line has {len(fields)} columns", COLUMNS)
        name, paralogs, contig, strand, start, end, lasts, firsts = fields[:8]
        if strand not in ("+", "-") or paralogs not in ("0", "1"):
            _refuse(path, number, f"paralogs and strand are {paralogs!r} and {strand!r}", COLUMNS)
        ends, starts = (_numbers(text, path, number) for text in (lasts, firsts))
        left, right = _numbers(f"{start},{end}", path, number)
        introns = tuple((last, first - 1) for last, first in zip(ends, starts, strict=False))
        if len(ends) != len(starts) or any(a >= b or a < left or b > right for a, b in introns):
            _refuse(
                path,
                number,
                f"the {len(ends)} ends and {len(starts)} starts of exons are no introns of "
                f"{start}-{end}",
                "as many starts as ends, each end before its start",
            )
        genes.append(
            SplicedGene(name, contig, strand, left - 1, right, introns, paralogs == "1", number)
        )
    if not genes:
        raise InputError("the file holds no gene", path=path, remedy=f"give a table of {COLUMNS}")
    return genes


def read_annotation(path: Path) -> list[SplicedGene]:
    """Return the genes of an annotation that have introns: what lies between two exons.

    Raises
    ------
    InputError
        If the annotation has no exon.
    """
    exons: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    parents: dict[str, str] = {}
    for feature in read_features(path):
        if feature.type == "exon" and feature.strand in ("+", "-"):
            for name in feature.parents:
                exons[name, feature.contig, feature.strand].append((feature.start, feature.end))
        elif feature.id is not None and feature.parents:
            parents[feature.id] = feature.parents[0]
    if not exons:
        raise InputError(
            "has no exon features",
            path=path,
            expected="the exons of transcripts",
            remedy="give an annotation with exons in `genome.assemblies`, or SpliceAI's table in "
            "the task's `table`",
        )
    spans: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    introns: dict[tuple[str, str, str], set[tuple[int, int]]] = defaultdict(set)
    for (transcript, contig, strand), found in exons.items():
        gene = parents.get(transcript, transcript).removeprefix("gene:").removeprefix("gene-")
        ordered = sorted(found)
        spans[gene, contig, strand] += [(ordered[0][0], ordered[-1][1])]
        pairs = pairwise(ordered)
        introns[gene, contig, strand] |= {(a[1], b[0]) for a, b in pairs if a[1] < b[0]}
    return [
        SplicedGene(
            gene,
            contig,
            strand,
            min(start for start, _ in found),
            max(end for _, end in found),
            tuple(sorted(introns[gene, contig, strand])),
            False,
            0,
        )
        for (gene, contig, strand), found in spans.items()
        if introns[gene, contig, strand]
    ]


def _numbers(text: str, path: Path, number: int) -> list[int]:
    values = [value for value in text.split(",") if value.strip()]
    if not all(value.isdecimal() for value in values):
        wrong = next(value for value in values if not value.isdecimal())
        _refuse(path, number, f"{wrong!r} is not a position", "whole numbers joined by commas")
    return [int(value) for value in values]


def _refuse(path: Path, number: int, problem: str, expected: str) -> NoReturn:
    raise InputError(
        problem,
        path=path,
        where=f"line {number}",
        expected=expected,
        remedy="correct the line, or fetch the file again",
    )
