"""Which parts of which contigs are annotated."""

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.application.fasta import Sequences
from pipeline_lib.corpus.bed import read_bed
from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest
from pipeline_lib.intervals import Intervals

Regions = dict[str, list[tuple[int, int]]]
"""Spans by contig, in the order of the genome; sorted, and apart from each other."""


def regions_of(genome: Sequences, contigs: Sequence[str] = (), bed: Path | None = None) -> Regions:
    """Return what is to be annotated: contigs as a whole, or the regions of a BED file.

    Raises
    ------
    InputError
        If a contig is unknown, a region does not lie inside of one, or both are given.
    """
    if contigs and bed is not None:
        raise InputError(
            "contigs and regions are given",
            expected="one of `--contigs` and `--bed`",
            remedy="leave one of them out",
        )
    if bed is None:
        chosen = {_resolved(genome, name, None, None) for name in contigs} or set(genome.contigs)
        return {name: [(0, size)] for name, size in genome.contigs.items() if name in chosen}
    spans: Regions = {}
    for line in read_bed(bed):
        contig = _resolved(genome, line.contig, bed, f"line {line.number}")
        if line.end > genome.contigs[contig]:
            raise InputError(
                f"the interval {line.contig}:{line.start:,}-{line.end:,} ends past the contig's "
                "end",
                path=bed,
                where=f"line {line.number}",
                expected=f"an end of at most {genome.contigs[contig]:,}",
                remedy="use a BED file made for this version of the assembly",
            )
        spans.setdefault(contig, []).append((line.start, line.end))
    if not spans:
        raise InputError(
            "the file holds no intervals", path=bed, remedy="give a file with intervals"
        )
    found = {contig: Intervals.of(spans[contig]) for contig in genome.contigs if contig in spans}
    return {
        contig: list(zip(own.starts.tolist(), own.ends.tolist(), strict=True))
        for contig, own in found.items()
    }


def _resolved(genome: Sequences, name: str, path: Path | None, where: str | None) -> str:
    contig = genome.resolve(name)
    if contig is None:
        raise InputError(
            f"{name!r} names no contig of the genome",
            path=path,
            where=where,
            expected=f"a contig such as {nearest(name, list(genome.contigs))}",
            remedy="correct the name, or give the genome that it belongs to",
        )
    return contig
