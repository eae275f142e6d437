"""Which parts of the genomes are held out, from contig names and BED files."""

from collections import defaultdict
from pathlib import Path

from pipeline_lib.config.corpus import Holdout, Holdouts
from pipeline_lib.corpus.bed import Place, bed_intervals, find_places
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals

HeldOut = dict[str, dict[Place, Intervals]]
"""Held-out intervals by split (``valid``, ``test``) and place."""


def read_holdouts(genomes: dict[str, Genome], holdouts: Holdouts) -> HeldOut:
    """Resolve the holdouts of a configuration.

    Parameters
    ----------
    genomes
        Assemblies by name; a contig that several of them have is held out in each.
    holdouts
        Contigs by any of their names, optionally as ``assembly:contig``, and BED files.

    Raises
    ------
    InputError
        If a holdout names no contig, lies past a contig's end, or is held out twice.
    """
    held = {
        split: _resolve(genomes, holdout, split)
        for split, holdout in (("valid", holdouts.valid), ("test", holdouts.test))
    }
    for (assembly, contig), intervals in held["valid"].items():
        other = held["test"].get((assembly, contig), EMPTY)
        if intervals.overlaps(other.starts, other.ends).any():
            raise InputError(
                f"contig {contig!r} of assembly {assembly!r} is held out for both validation and "
                "test, in part at least",
                where="holdouts",
                remedy="hold out different contigs in `holdouts.valid` and `holdouts.test`",
            )
    return held


def _resolve(genomes: dict[str, Genome], holdout: Holdout, split: str) -> dict[Place, Intervals]:
    spans: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    for name in holdout.contigs:
        for place in find_places(genomes, name, where=f"holdouts.{split}.contigs"):
            spans[place].append((0, genomes[place[0]].contigs[place[1]]))
    if holdout.bed is not None:
        for place, intervals in bed_intervals(Path(holdout.bed), genomes, holdout.name).items():
            pairs = zip(intervals.starts.tolist(), intervals.ends.tolist(), strict=True)
            spans[place].extend(pairs)
    return {place: Intervals.of(pairs) for place, pairs in spans.items()}
