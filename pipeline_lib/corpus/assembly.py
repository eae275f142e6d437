"""Cutting one assembly into documents."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline_lib.config.corpus import Corpus, Variants
from pipeline_lib.corpus.cut import Piece, at_least, cut, subtract
from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.mmseqs import read_hits
from pipeline_lib.corpus.plan import HELD_OUT_SPLITS, SPLITS, Plan
from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA
from pipeline_lib.corpus.regions import bed_regions, tss_regions
from pipeline_lib.corpus.scan import SEEN, Scanned, Search, scan_contigs
from pipeline_lib.corpus.table import Table
from pipeline_lib.files import atomic_directory, write_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals
from pipeline_lib.progress import progress_bar
from pipeline_lib.randomness import named_generator

SOFT_MASK_SCHEMA = pa.schema(
    [
        ("assembly", pa.string()),
        ("contig", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)
Sample = tuple[int, int, int]
"""Number of a sample, its haplotype, and how many variants that has."""


def cut_assembly(
    genome: Path,
    plan: Path,
    directory: Path,
    settings: Corpus,
    *,
    assembly: str,
    seed: int,
    annotation: Path | None = None,
    haplotypes: Path | None = None,
    hits: Path | None = None,
    workers: int = 1,
) -> None:
    """Cut an assembly into documents and write them as tables of coordinates.

    Writes ``{train,valid,test}.parquet``, ``soft_masked.parquet`` (runs of lower-case letters),
    ``seen.npy`` and ``stats.json``. No base of a held-out split is in another split, on either
    strand, in any pass.

    Parameters
    ----------
    genome
        Folder of the assembly.
    plan
        Folder written by :func:`~pipeline_lib.corpus.plan.plan_corpus`.
    directory
        Folder to write; it appears when all of it is written.
    seed
        Every contig, strand, pass and stretch has random numbers of its own, so that the order
        of the work does not matter.
    annotation, haplotypes, hits
        ``annotation.gff3.gz``, the folder of haplotypes, and the hits of mmseqs2, where the
        settings ask for them.
    workers
        Threads that read contigs.
    """
    opened, planned = Genome(genome), Plan(plan)
    work = _Assembly(
        assembly, opened, planned, settings, seed,
        _regions(settings, assembly, opened, annotation),
        Haplotypes(haplotypes) if haplotypes else None,
        read_hits(hits, settings.homology.min_identity) if hits else {},
    )  # fmt: skip
    with (
        atomic_directory(directory) as temporary,
        ExitStack() as stack,
        progress_bar("cutting contigs", total=sum(opened.contigs.values()), unit="base") as bar,
    ):
        tables = {
            split: Table(stack, temporary / f"{split}.parquet", DOCUMENT_SCHEMA) for split in SPLITS
        }
        masked = Table(stack, temporary / "soft_masked.parquet", SOFT_MASK_SCHEMA)
        for contig, scanned in scan_contigs(genome, opened.contigs, work.search, workers=workers):
            lower = scanned.lower
            masked.add_columns([assembly, contig, lower.starts, lower.ends])
            for split, wanted in work.splits(contig, scanned).items():
                for row in work.rows(split, contig, wanted, scanned.unknown):
                    tables[split].add([tables[split].rows, assembly, contig, *row])
            bar.update(opened.contigs[contig])
        np.save(temporary / "seen.npy", np.packbits(work.search.seen, axis=1))
        write_json(temporary / "stats.json", {s: dict(c) for s, c in work.stats.items()})


class _Assembly:
    """The cutting of an assembly, contig by contig, and what is counted on the way."""

    def __init__(
        self,
        name: str,
        genome: Genome,
        plan: Plan,
        settings: Corpus,
        seed: int,
        regions: dict[str, Intervals] | None,
        haplotypes: Haplotypes | None,
        hits: dict[str, Intervals],
    ) -> None:
        self._name, self._genome, self._plan, self._seed = name, genome, plan, seed
        self._settings, self._regions, self._haplotypes = settings, regions, haplotypes
        self.stats = {split: Counter[str]() for split in SPLITS}
        self.search = Search(
            plan.sketch,
            settings.homology,
            {contig: self._training(contig) for contig in genome.contigs},
            hits,
            np.zeros((len(SEEN), len(plan.sketch)), dtype=np.bool_),
        )

    def splits(self, contig: str, scanned: Scanned) -> dict[str, Intervals]:
        """Return what belongs to each split."""
        before = self.search.training[contig]
        after = subtract(before, scanned.homologous)
        after = subtract(after, self.search.copies.get(contig, EMPTY))
        self.stats["train"]["homologous_bases"] += before.bases - after.bases
        evaluated = [_intersection(self._whole(contig), spans) for spans in self._held(contig)]
        return dict(zip(SPLITS, (after, *evaluated), strict=True))

    def _whole(self, contig: str) -> Intervals:
        if self._regions is not None:
            return self._regions.get(contig, EMPTY)
        return Intervals.of([(0, self._genome.contigs[contig])])

    def _held(self, contig: str) -> list[Intervals]:
        held = self._plan.held
        return [held[split].get((self._name, contig), EMPTY) for split in HELD_OUT_SPLITS]

    def _training(self, contig: str) -> Intervals:
        """Return what would be training sequence without the homology filter."""
        valid, test = self._held(contig)
        return subtract(subtract(self._whole(contig), valid), test)

    def rows(
        self, split: str, contig: str, wanted: Intervals, unknown: Intervals
    ) -> Iterator[list[object]]:
        """Yield strand, interval, pass, sentences and sample of the documents of a split."""
        stats = self.stats[split]
        stretches = subtract(wanted, at_least(unknown, self._settings.gap_length))
        stats["split_bases"] += wanted.bases
        stats["gap_bases"] += wanted.bases - stretches.bases
        covered: list[tuple[int, int]] = []
        for strand, number, piece in self._pieces(split, contig, stretches, unknown):
            lengths: NDArray[np.int32] = piece.sentence_lengths
            place = [strand, piece.start, piece.end, number, lengths]
            covered.append((piece.start, piece.end))
            for sample, haplotype, variants in self._samples(contig, piece):
                stats["documents"] += 1
                stats["sentences"] += len(lengths)
                stats["bases"] += int(lengths.sum())
                stats["variants"] += variants
                named = self._haplotypes.samples[sample] if self._haplotypes else None
                yield [*place, named, haplotype if self._haplotypes else None, variants]
        stats["covered_bases"] += Intervals.of(covered).bases

    def _pieces(
        self, split: str, contig: str, stretches: Intervals, unknown: Intervals
    ) -> Iterator[tuple[str, int, Piece]]:
        """Yield strand, pass and document."""
        settings, passes = self._settings, 1.0
        if split == "train":
            passes = self._plan.passes[self._name]
        spans = list(zip(stretches.starts.tolist(), stretches.ends.tolist(), strict=True))
        for number in range(int(np.ceil(passes - 1e-9))):
            kept = min(1.0, passes - number)
            for strand in "+-" if settings.strands == "both" else "+":
                for start, end in spans:
                    names = (self._name, contig, split, strand, number, start)
                    generator = named_generator(self._seed, "cut", *names)
                    offset = settings.max_offset if split == "train" else 0
                    for piece in cut(
                        start, end, strand, settings, generator, max_offset=offset, unknown=unknown
                    ):
                        # Of the last of a broken number of passes, a part of the documents.
                        if kept >= 1 or generator.random() < kept:
                            yield strand, number, piece

    def _samples(self, contig: str, piece: Piece) -> Iterator[Sample]:
        """Yield the haplotypes that make a document of their own; one, for the reference."""
        variants: Variants | None = self._settings.variants
        if self._haplotypes is None or variants is None:
            yield 0, 0, 0
            return
        window = self._haplotypes.window(contig, piece.start, piece.end)
        for sample in range(len(self._haplotypes.samples)):
            for haplotype in (0, 1):
                count = window.count(sample, haplotype)
                same = haplotype == 1 and not window.differs(sample)
                absent = window.absent(sample, haplotype)
                if count >= variants.min_variants and not same and not absent:
                    yield sample, haplotype, count


def _regions(
    settings: Corpus, assembly: str, genome: Genome, annotation: Path | None
) -> dict[str, Intervals] | None:
    regions = settings.regions
    if regions is None:
        return None
    if regions.bed is not None:
        places = bed_regions(Path(regions.bed), {assembly: genome}, regions.name)
        return {contig: spans for (_, contig), spans in places.items()}
    assert regions.around_tss is not None and annotation is not None
    return tss_regions(annotation, genome, *regions.around_tss)


def _intersection(whole: Intervals, spans: Intervals) -> Intervals:
    return subtract(whole, subtract(whole, spans))
