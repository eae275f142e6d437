"""Which parts of the genomes a corpus may take sequence from: all, BED intervals, or promoters."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_lib.corpus.bed import Place, bed_intervals
from pipeline_lib.errors import InputError
from pipeline_lib.genome.gff3 import Feature, read_features
from pipeline_lib.genome.names import nearest
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals

UPSTREAM, DOWNSTREAM = 16_000, 8_000
"""Bases around a transcription start (ModernGENA)."""

# Children of a gene that are parts of its transcripts, in files that leave transcripts out.
PARTS = frozenset({
    "exon", "pseudogenic_exon", "noncoding_exon", "CDS", "pseudogenic_CDS", "intron", "UTR",
    "five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon", "uORF", "TSS", "promoter",
    "polyA_site", "polyA_sequence", "region", "sequence_feature",
})  # fmt: skip
# Types that are transcripts even where they have no gene.
TRANSCRIPTS = frozenset({"mRNA", "transcript", "primary_transcript", "pseudogenic_transcript"})

Start = tuple[str, int, str]
"""Contig, position of the first transcribed base, strand."""


def bed_regions(
    path: Path, genomes: Mapping[str, Genome], name: str | None = None
) -> dict[Place, Intervals]:
    """Return the intervals of a BED file, optionally those of one name only.

    HyenaDNA's intervals of the human genome are such a file: their names are the splits.

    Parameters
    ----------
    path
        BED file; see :func:`pipeline_lib.corpus.bed.bed_intervals`.
    genomes
        Assemblies by name.
    name
        What the fourth column has to be.

    Raises
    ------
    InputError
        If a line is malformed or does not fit the genomes, or there is no interval.
    """
    regions = bed_intervals(path, genomes, name)
    if not regions:
        raise InputError(
            "it has no interval on a kept contig",
            path=path,
            expected="contig, start and end, separated by tabs",
            remedy="give a BED file made for these assemblies",
        )
    return regions


def tss_regions(
    annotation: Path, genome: Genome, upstream: int = UPSTREAM, downstream: int = DOWNSTREAM
) -> dict[str, Intervals]:
    """Return windows around all transcription starts, clipped to their contigs and joined.

    On the forward strand a transcript that starts at base p has the window
    ``[p - upstream, p + downstream)``; on the reverse strand the window is its mirror image.

    Parameters
    ----------
    annotation
        ``annotation.gff3.gz`` of the folder of the genome.
    upstream, downstream
        Bases before, and from, the first transcribed base.

    Raises
    ------
    InputError
        If there is no gene and no transcript, or one does not lie on a contig of the genome.
    """
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for contig, position, strand in sorted(transcription_starts(annotation)):
        length = genome.contigs.get(contig)
        if length is None or position >= length:
            raise _misfit(annotation, genome, contig, position)
        before, after = (upstream, downstream)
        if strand == "-":
            before, after = downstream - 1, upstream + 1
        start, end = max(position - before, 0), min(position + after, length)
        if start < end:
            spans[contig].append((start, end))
    return {contig: Intervals.of(pairs) for contig, pairs in spans.items()}


def transcription_starts(annotation: Path) -> set[Start]:
    """Return the different 5' ends of transcripts, and of genes without transcripts.

    A gene is a feature whose type ends in ``gene`` (``pseudogene`` among them). A transcript is a
    child of a gene, of any type that is no part of a transcript (``exon``, ``CDS``, ...), or a
    feature of a type such as ``mRNA`` anywhere. Features without a strand have no 5' end.

    Raises
    ------
    InputError
        If there is none.
    """
    found = _Found()
    for feature in read_features(annotation):
        found.add(feature)
    starts = found.starts()
    if not starts:
        raise InputError(
            "has neither genes nor transcripts with a strand",
            path=annotation,
            expected="lines of type gene, pseudogene, mRNA and the like",
            remedy="give an annotation with genes in `genome.assemblies`",
        )
    return starts


@dataclass(slots=True)
class _Found:
    """Genes, and what may be their transcripts: children can come before parents."""

    genes: list[tuple[str | None, Start]] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)
    candidates: list[tuple[tuple[str, ...], bool, Start]] = field(default_factory=list)

    def add(self, feature: Feature) -> None:
        """Note a feature if it is a gene, or may be a transcript."""
        if feature.strand not in ("+", "-") or feature.type in PARTS:
            return
        position = feature.start if feature.strand == "+" else feature.end - 1
        start = (feature.contig, position, feature.strand)
        if feature.type.endswith("gene"):
            self.genes.append((feature.id, start))
            if feature.id is not None:
                self.identifiers.add(feature.id)
        elif feature.parents or feature.type in TRANSCRIPTS:
            self.candidates.append((feature.parents, feature.type in TRANSCRIPTS, start))

    def starts(self) -> set[Start]:
        """Return the starts of the transcripts, and of the genes that have none."""
        result: set[Start] = set()
        transcribed: set[str] = set()
        for parents, certain, start in self.candidates:
            genes = self.identifiers.intersection(parents)
            if genes or certain:
                result.add(start)
                transcribed |= genes
        return result | {start for name, start in self.genes if name not in transcribed}


def _misfit(annotation: Path, genome: Genome, contig: str, position: int) -> InputError:
    return InputError(
        f"a transcript starts at base {position + 1:,} of {contig!r}, which is not in the genome",
        path=annotation,
        expected=f"positions on contigs such as {nearest(contig, genome.contigs)}",
        remedy="make the annotation for this genome anew with `snakemake --cores 2 genome`",
    )
