"""Which parts of the genomes are held out, from contig names and BED files."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.config.corpus import Holdout, Holdouts
from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY, Intervals

Place = tuple[str, str]
"""Assembly and contig."""

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
        for place in _places(genomes, name, where=f"holdouts.{split}.contigs"):
            spans[place].append((0, genomes[place[0]].contigs[place[1]]))
    if holdout.bed is not None:
        path = Path(holdout.bed)
        for number, name, start, end in _read_bed(path):
            for place in _places(genomes, name, where=f"line {number}", path=path):
                length = genomes[place[0]].contigs[place[1]]
                if end > length:
                    raise InputError(
                        f"the interval {name}:{start}-{end} ends past the contig's end",
                        path=path,
                        where=f"line {number}",
                        expected=f"an end of at most {length:,}",
                        remedy="use a BED file made for this version of the assembly",
                    )
                spans[place].append((start, end))
    return {place: Intervals.of(pairs) for place, pairs in spans.items()}


def _places(
    genomes: dict[str, Genome], name: str, *, where: str, path: Path | None = None
) -> list[Place]:
    """Return the kept contigs of a name; none for a contig that was left out of the genome."""
    found: list[Place] = []
    dropped = False
    for assembly, genome in genomes.items():
        bare = name.removeprefix(f"{assembly}:")
        contig = genome.resolve(name) or genome.resolve(bare)
        if contig is not None:
            found.append((assembly, contig))
        dropped = dropped or name in genome.dropped or bare in genome.dropped
    if found or dropped:
        return found
    known = [contig for genome in genomes.values() for contig in genome.contigs]
    raise InputError(
        f"{name!r} names no contig of {', '.join(map(repr, genomes))}",
        path=path,
        where=where,
        expected=f"a contig such as {nearest(name.rpartition(':')[2], known)}, or an alias of it",
        remedy="correct the name; contigs.tsv and aliases.tsv of the assembly list them all",
    )


def _read_bed(path: Path) -> Iterator[tuple[int, str, int, int]]:
    """Yield line number, contig, start and end of each interval."""
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = line.split("\t")
        if len(columns) < 3 or not (columns[1].isdecimal() and columns[2].strip().isdecimal()):
            raise InputError(
                f"cannot read {line!r}",
                path=path,
                where=f"line {number}",
                expected="contig, start and end, separated by tabs",
                remedy="correct the line",
            )
        start, end = int(columns[1]), int(columns[2])
        if start >= end:
            raise InputError(
                f"the interval starts at {start} and ends at {end}",
                path=path,
                where=f"line {number}",
                expected="a start smaller than the end",
                remedy="correct the line",
            )
        yield number, columns[0], start, end
