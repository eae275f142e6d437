"""What a corpus holds out in every assembly, and how often each assembly is read.

All assemblies have to be known for this; afterwards each one is cut by itself, wherever there is
a free core.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline_lib.config.corpus import Corpus, Lift
from pipeline_lib.corpus.cut import subtract
from pipeline_lib.corpus.holdouts import HeldOut, read_holdouts
from pipeline_lib.corpus.lift import lifted, read_paf, write_queries
from pipeline_lib.corpus.sketch import Sketch, pieces
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, read_json, write_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals

HELD_OUT_SPLITS = ("valid", "test")
SPLITS = ("train", *HELD_OUT_SPLITS)
HOLDOUTS, PASSES, SKETCH, QUERIES = "holdouts.tsv", "passes.json", "sketch.npy", "queries.fa"


def plan_corpus(
    genomes: Mapping[str, Path],
    directory: Path,
    settings: Corpus,
    *,
    alignments: Mapping[str, Mapping[str, Path]] | None = None,
) -> None:
    """Write what every assembly has to know about the others.

    Writes ``holdouts.tsv`` (assembly, contig, start, end, split), ``passes.json`` (how often each
    assembly is read), ``sketch.npy`` (31-mers of all held-out sequence) and, for mmseqs2,
    ``queries.fa`` (the held-out sequence itself).

    Parameters
    ----------
    genomes
        Folder of each assembly, by name.
    directory
        Folder to write; it appears when all of it is written.
    alignments
        PAF file by assembly and split, where holdouts are lifted over.

    Raises
    ------
    InputError
        If a holdout names no contig, or an assembly that is aligned has nothing to hold out.
    """
    opened = {name: Genome(genomes[name]) for name in settings.assemblies}
    lift = settings.holdouts.lift
    if lift is None:
        held = read_holdouts(opened, settings.holdouts)
    else:
        held = read_holdouts({lift.reference: opened[lift.reference]}, settings.holdouts)
        for assembly, files in sorted((alignments or {}).items()):
            _add_lifted(held, assembly, files, lift)
    with atomic_directory(directory) as temporary:
        _write_holdouts(temporary / HOLDOUTS, held)
        write_json(temporary / PASSES, _passes(opened, held, settings))
        bases = sum(spans.bases for places in held.values() for spans in places.values())
        scale = -(-bases // settings.homology.max_kmers)
        Sketch.of_held_out(opened, held, scale=max(scale, 1)).save(temporary / SKETCH)
        if settings.homology.method == "mmseqs2":
            _write_queries(temporary / QUERIES, opened, held)


@dataclass(frozen=True)
class Plan:
    """What :func:`plan_corpus` wrote."""

    directory: Path

    @cached_property
    def passes(self) -> dict[str, float]:
        """How often each assembly is read; a fraction means a part of the documents."""
        result: dict[str, float] = read_json(self.directory / PASSES)
        return result

    @cached_property
    def held(self) -> HeldOut:
        """Held-out intervals by split, assembly and contig."""
        found: dict[str, dict[tuple[str, str], list[tuple[int, int]]]] = {
            split: defaultdict(list) for split in HELD_OUT_SPLITS
        }
        for line in (self.directory / HOLDOUTS).read_text().splitlines()[1:]:
            assembly, contig, start, end, split = line.split("\t")
            found[split][assembly, contig].append((int(start), int(end)))
        return {
            split: {place: Intervals.of(pairs) for place, pairs in places.items()}
            for split, places in found.items()
        }

    @cached_property
    def sketch(self) -> Sketch:
        """31-mers of all held-out sequence."""
        return Sketch.load(self.directory / SKETCH)


def write_lift_queries(genome: Path, directory: Path, settings: Corpus) -> None:
    """Write the held-out sequence of the reference, one FASTA file for each split."""
    lift = settings.holdouts.lift
    assert lift is not None
    opened = Genome(genome)
    held = read_holdouts({lift.reference: opened}, settings.holdouts)
    for split in HELD_OUT_SPLITS:
        intervals = {contig: spans for (_, contig), spans in held[split].items()}
        write_queries(opened, intervals, directory / f"{split}.fa")


def held_out_pieces(genomes: Mapping[str, Genome], held: HeldOut, split: str) -> Iterator[bytes]:
    """Yield the held-out sequence of a split, whole intervals at once."""
    for (assembly, contig), intervals in held[split].items():
        for start, end in zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True):
            yield genomes[assembly].fetch(contig, start, end)


def _add_lifted(held: HeldOut, assembly: str, files: Mapping[str, Path], lift: Lift) -> None:
    """Add the holdouts of an assembly; what both splits would claim goes to the test split."""
    found = {
        split: lifted(
            read_paf(files[split]),
            min_identity=lift.min_identity,
            merge_distance=lift.merge_distance,
        )
        for split in HELD_OUT_SPLITS
    }
    for split, regions in found.items():
        if not regions:
            raise InputError(
                f"nothing in assembly {assembly!r} is like the {split} holdout of "
                f"{lift.reference!r}",
                path=files[split],
                expected=f"a related genome, at least {lift.min_identity:.0%} identical",
                remedy="lower `holdouts.lift.min_identity`, or leave the assembly out",
            )
        for contig, spans in regions.items():
            if split == "valid":
                spans = subtract(spans, found["test"].get(contig, EMPTY))
            held[split][assembly, contig] = spans


def _passes(genomes: Mapping[str, Genome], held: HeldOut, settings: Corpus) -> dict[str, float]:
    """Return how often to read each assembly so that each has its share of the bases."""
    bases = {}
    for name, genome in genomes.items():
        out = sum(
            spans.bases
            for places in held.values()
            for (assembly, _), spans in places.items()
            if assembly == name
        )
        bases[name] = sum(genome.contigs.values()) - out
    others = sum(count for name, count in bases.items() if name not in settings.shares)
    given = sum(settings.shares.values())
    # All bases that are read, if those without a share are read as often as `passes` says.
    total = settings.passes * (others / (1 - given) if others else sum(bases.values()))
    return {
        name: settings.shares[name] * total / max(count, 1)
        if name in settings.shares
        else float(settings.passes)
        for name, count in bases.items()
    }


def _write_holdouts(path: Path, held: HeldOut) -> None:
    lines = ["assembly\tcontig\tstart\tend\tsplit\n"]
    for split in HELD_OUT_SPLITS:
        for (assembly, contig), spans in held[split].items():
            for start, end in np.stack([spans.starts, spans.ends], axis=1).tolist():
                lines.append(f"{assembly}\t{contig}\t{start}\t{end}\t{split}\n")
    path.write_text("".join(lines))


def _write_queries(path: Path, genomes: Mapping[str, Genome], held: HeldOut) -> None:
    """Write all held-out sequence as FASTA, in pieces that mmseqs2 searches well."""
    with path.open("wb") as handle:
        number = 0
        for places in held.values():
            for (assembly, contig), spans in places.items():
                for piece in pieces(genomes[assembly], contig, spans, size=10_000):
                    handle.write(b">q%d\n%s\n" % (number, piece.upper()))
                    number += 1
