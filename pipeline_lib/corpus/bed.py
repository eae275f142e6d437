"""Reading BED files, and finding the contigs that they name."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.genome.source import read_lines
from pipeline_lib.intervals import Intervals

Place = tuple[str, str]
"""Assembly and contig."""


class BedLine(NamedTuple):
    """An interval with the number of its line; ``name`` is the fourth column, if there is one."""

    number: int
    contig: str
    start: int
    end: int
    name: str | None


def bed_intervals(
    path: Path, genomes: Mapping[str, Genome], name: str | None = None
) -> dict[Place, Intervals]:
    """Return the intervals of a BED file on the kept contigs of assemblies.

    Parameters
    ----------
    path
        Plain or compressed BED file; its contigs by any of their names, optionally as
        ``assembly:contig``. A contig that several assemblies have counts in each.
    name
        Take only the lines with this name, which is their fourth column.

    Raises
    ------
    InputError
        If a line is malformed, names no contig or ends past its end, or no line has the name.
    """
    spans: dict[Place, list[tuple[int, int]]] = defaultdict(list)
    places: dict[str, list[Place]] = {}
    names: set[str] = set()
    for line in read_bed(path):
        if name is not None and line.name != name:
            names.add(line.name or "")
            continue
        if line.contig not in places:
            where = f"line {line.number}"
            places[line.contig] = find_places(genomes, line.contig, where=where, path=path)
        for assembly, contig in places[line.contig]:
            _check_end(line, genomes[assembly].contigs[contig], path)
            spans[assembly, contig].append((line.start, line.end))
    if name is not None and not places:
        raise InputError(
            f"no interval is named {name!r}",
            path=path,
            expected=f"a fourth column of {name!r}; there is {some(sorted(names)) or 'no line'}",
            remedy="correct the name, or leave it out to take all intervals",
        )
    return {place: Intervals.of(pairs) for place, pairs in spans.items()}


def find_places(
    genomes: Mapping[str, Genome], name: str, *, where: str, path: Path | None = None
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


def read_bed(path: Path) -> Iterator[BedLine]:
    """Yield the intervals of a BED file, in file order.

    Raises
    ------
    InputError
        If the file is not whole, or a line is malformed; the message names the line.
    """
    for number, text in read_lines(path, "BED"):
        line = text.rstrip("\r")
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) < 3 or not (columns[1].isdecimal() and columns[2].isdecimal()):
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
        yield BedLine(number, columns[0], start, end, columns[3] if len(columns) > 3 else None)


def _check_end(line: BedLine, length: int, path: Path) -> None:
    if line.end > length:
        raise InputError(
            f"the interval {line.contig}:{line.start}-{line.end} ends past the contig's end",
            path=path,
            where=f"line {line.number}",
            expected=f"an end of at most {length:,}",
            remedy="use a BED file made for this version of the assembly",
        )
