"""What each base of a genome is: coding, intron, untranslated or between genes; or splice sites.

Windows lie side by side. The structure of genes on either strand is told of the forward strand;
splice sites are told of each strand apart, in windows that touch a gene with introns there.
"""

from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_dense import GeneStructureTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.dense import Floats, completed, tiled
from pipeline_lib.finetuning.sources.introns import SplicedGene, read_annotation, read_transcripts
from pipeline_lib.finetuning.sources.windows import needs_genome, resolve_contigs
from pipeline_lib.genome.annotation import read_features
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals

STRUCTURE = ("intergenic", "cds", "intron", "utr")
SPLICE = ("neither", "acceptor", "donor")
UNKNOWN = 255
_CDS, _INTRON, _UTR = (STRUCTURE.index(name) for name in ("cds", "intron", "utr"))

Codes = dict[str, NDArray[np.uint8]]


class Transcript(NamedTuple):
    """Exons and coding parts of a transcript, sorted and half-open."""

    contig: str
    exons: list[tuple[int, int]]
    coding: list[tuple[int, int]]


def read(settings: GeneStructureTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make windows with a class for each base.

    Returns
    -------
    Raw
        ``position`` is the first base, on the forward strand, that has a class.

    Raises
    ------
    InputError
        If there is no annotation, or nothing in it to be told apart.
    """
    genome = needs_genome(genome, settings.type)
    if settings.labels == "splice":
        return _splice(settings, genome, seed)
    path = _annotation(settings, genome)
    codes = paint(read_structure(path), genome.contigs)
    counts = np.sum([np.bincount(code, minlength=256) for code in codes.values()], axis=0)
    kept = [n for n in range(len(STRUCTURE)) if n == 0 or counts[n] >= settings.min_bases]
    if len(kept) < 2:
        raise InputError(
            f"no class has {settings.min_bases:,} bases",
            path=path,
            remedy="give an annotation with CDS features, or set a smaller `min_bases`",
        )
    numbers = np.full(256, np.nan, dtype=np.float32)
    numbers[kept] = np.arange(len(kept))
    offsets = np.arange(settings.window)

    def labels(contig: str, _: str, positions: NDArray[np.int64]) -> Floats:
        return np.asarray(numbers[codes[contig][positions[:, None] + offsets]])

    left_out: Counter[str] = Counter()
    table = completed(tiled(genome, settings), genome, settings, labels, left_out, seed)
    target = Target("bases", tuple(STRUCTURE[n] for n in kept), bin=1, units=settings.window)
    bases = {name: int(counts[n]) for n, name in enumerate(STRUCTURE)}
    return Raw(table, target, left_out, {"genome_bases": bases | {"unknown": int(counts[UNKNOWN])}})


def read_structure(path: Path) -> list[Transcript]:
    """Return the transcripts of an annotation: all that is a parent of exons or coding parts."""
    exons: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    coding: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for feature in read_features(path, {"exon", "CDS"}):
        for name in feature.parents:
            found = coding if feature.type == "CDS" else exons
            found[name, feature.contig].append((feature.start, feature.end))
    names = dict.fromkeys([*exons, *coding])
    return [
        Transcript(name[1], sorted(exons.get(name) or coding[name]), sorted(coding.get(name, [])))
        for name in names
    ]


def paint(transcripts: list[Transcript], contigs: dict[str, int]) -> Codes:
    """Return the class of every base of every contig.

    What is coding in any transcript is coding; then untranslated; then intron. Exons of genes
    without a coding part are none of these and unknown.
    """
    codes = {name: np.zeros(length, dtype=np.uint8) for name, length in contigs.items()}
    for transcript in transcripts:
        for (_, end), (start, _) in pairwise(transcript.exons):
            codes[transcript.contig][end:start] = _INTRON
    for value, wanted in ((UNKNOWN, False), (_UTR, True)):
        for transcript in transcripts:
            if bool(transcript.coding) is wanted:
                for start, end in transcript.exons:
                    codes[transcript.contig][start:end] = value
    for transcript in transcripts:
        for start, end in transcript.coding:
            codes[transcript.contig][start:end] = _CDS
    return codes


def _splice(settings: GeneStructureTask, genome: Genome, seed: int) -> Raw:
    if settings.table is None:
        path = _annotation(settings, genome)
        genes = read_annotation(path)
    else:
        path = Path(settings.table)
        genes = read_transcripts(path)
    contigs = resolve_contigs([g.contig for g in genes], [g.line for g in genes], genome, path)
    sites: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    left_out: Counter[str] = Counter()
    for gene, contig in zip(genes, contigs, strict=True):
        if not contig:
            left_out["gene on a contig that was left out of the genome"] += 1
            continue
        spans[contig, gene.strand].append((gene.start, gene.end))
        sites[contig, gene.strand] |= splice_sites(gene)
    grid = tiled(genome, settings)
    parts = [
        part[_touches(part["position"].to_numpy(), settings.window, pairs)].assign(strand=strand)
        for (contig, strand), pairs in spans.items()
        if len(part := grid[grid["contig"] == contig])
    ]
    if not parts:
        raise InputError("there is no intron on a kept contig", path=path, remedy="use the "
                         "assembly that the file was made for")  # fmt: skip

    def labels(contig: str, strand: str, positions: NDArray[np.int64]) -> Floats:
        codes = np.zeros(genome.contigs[contig], dtype=np.float32)
        found = sites[contig, strand]
        codes[list(found)] = list(found.values())
        values = codes[positions[:, None] + np.arange(settings.window)]
        return np.asarray(values if strand == "+" else values[:, ::-1].copy())

    table = completed(pd.concat(parts, ignore_index=True), genome, settings, labels, left_out, seed)
    notes: dict[str, object] = {"genes": len(genes), "sites": sum(map(len, sites.values()))}
    return Raw(table, Target("bases", SPLICE, bin=1, units=settings.window), left_out, notes)


def splice_sites(gene: SplicedGene) -> dict[int, int]:
    """Return the class of each splice site of a gene by its base on the forward strand.

    A donor is the last base of an exon, an acceptor the first (Jaganathan et al. 2019).
    """
    acceptor, donor = SPLICE.index("acceptor"), SPLICE.index("donor")
    left, right = (donor, acceptor) if gene.strand == "+" else (acceptor, donor)
    found: dict[int, int] = {}
    for start, end in gene.introns:
        found[start - 1] = left
        found[end] = right
    return found


def _touches(
    positions: NDArray[np.int64], window: int, spans: list[tuple[int, int]]
) -> NDArray[np.bool_]:
    return Intervals.of(spans).overlaps(positions, positions + window)


def _annotation(settings: GeneStructureTask, genome: Genome) -> Path:
    path = genome.directory / "annotation.gff3.gz"
    if not path.exists():
        raise InputError(
            "the assembly has no annotation",
            path=genome.directory,
            expected=path.name,
            remedy=f"set `genome.assemblies.{settings.assembly}.annotation` to its GFF3 file",
        )
    return path
