"""Holdouts of a reference carried over to related genomes, by alignment.

What is held out in one strain has to be held out in all of them, under whatever name and in
whatever order their contigs come. The held-out sequence of the reference is cut into pieces,
minimap2 aligns them to the other genome, and the places where they land are its holdouts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_text
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals

PIECE = 5_000
MERGE_DISTANCE = 10_000
COLUMNS = 12
SECONDARY_LIMIT = 50  # places of a piece other than the best one that are looked for
LINE = 80  # letters in a line of FASTA


@dataclass(frozen=True, slots=True)
class Hit:
    """An alignment of a piece; coordinates are 0-based, half-open, on forward strands.

    ``identity`` is the share of identical bases in it, where a gap counts once, however long.
    """

    query: str
    query_length: int
    query_start: int
    query_end: int
    strand: str
    contig: str
    start: int
    end: int
    identity: float
    primary: bool


def write_queries(
    genome: Genome, intervals: Mapping[str, Intervals], path: Path, piece: int = PIECE
) -> int:
    """Write held-out sequence as FASTA records of nearly equal length, ``contig:start-end``.

    Parameters
    ----------
    intervals
        What is held out, by contig.
    piece
        Greatest length of a record, in bases.

    Returns
    -------
    int
        Number of records.
    """
    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        for contig, spans in intervals.items():
            for start, end in _cut(spans, piece):
                text = genome.fetch(contig, start, end)
                lines = [text[first : first + LINE] for first in range(0, len(text), LINE)]
                header = f">{contig}:{start}-{end}".encode()
                handle.write(b"\n".join([header, *lines, b""]))
                count += 1
    return count


def lift_command(
    target: Path, queries: Path, hits: Path, *, threads: int = 1, preset: str = "asm20"
) -> list[str]:
    """Return the call of minimap2 that aligns pieces to a genome.

    Parameters
    ----------
    target
        FASTA file of the other genome, plain or compressed.
    queries
        What :func:`write_queries` wrote.
    hits
        PAF file to write.
    preset
        ``asm5``, ``asm10`` or ``asm20``, for genomes that differ by up to about so many percent.
    """
    places = ["--secondary=yes", "-N", str(SECONDARY_LIMIT)]
    files = ["-o", str(hits), str(target), str(queries)]
    return ["minimap2", "-c", "-x", preset, *places, "-t", str(threads), *files]


def read_paf(path: Path) -> Iterator[Hit]:
    """Yield the alignments of a PAF file, in file order; an empty file has none.

    Raises
    ------
    InputError
        If the file is missing or a line is malformed; the message names the line.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as handle:
            for number, text in enumerate(handle, start=1):
                if text.strip():
                    yield _parse(text.rstrip("\r\n"), path, number)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})",
            path=path,
            expected="alignments by minimap2 in PAF format",
            remedy="make it with minimap2; see `lift_command`",
        ) from error


def lifted(
    hits: Iterable[Hit],
    *,
    min_identity: float = 0.8,
    min_aligned: float = 0.5,
    merge_distance: int = MERGE_DISTANCE,
    copies: bool = False,
) -> dict[str, Intervals]:
    """Return where the pieces are found in the other genome.

    The alignments of a piece that lie within ``merge_distance`` of each other are taken
    together (an insertion or the border of an inversion breaks them), and count when they align
    enough of it. What counts is joined where it is at most ``merge_distance`` apart.

    Parameters
    ----------
    min_identity
        Smallest share of identical bases of an alignment.
    min_aligned
        Smallest share of the piece that is aligned.
    merge_distance
        In bases; GENA-LM's holdouts were joined at 10 kb.
    copies
        Whether the second-best places of a piece count anywhere. Otherwise they count only
        within ``merge_distance`` of best places, as those of a transposon in its context do;
        its other copies are for :mod:`pipeline_lib.corpus.homology` to find.
    """
    usable = [hit for hit in hits if hit.identity >= min_identity]
    usable.sort(key=lambda hit: (hit.query, hit.contig, hit.start, hit.end))
    best: dict[str, list[tuple[int, int]]] = defaultdict(list)
    second: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (_, contig), members in groupby(usable, key=lambda hit: (hit.query, hit.contig)):
        for group in _neighbours(members, merge_distance):
            aligned = Intervals.of((hit.query_start, hit.query_end) for hit in group).bases
            if aligned >= min_aligned * group[0].query_length:
                found = best if copies or any(hit.primary for hit in group) else second
                found[contig] += [(hit.start, hit.end) for hit in group]
    result = {}
    for contig, pairs in best.items():
        core = _merged(Intervals.of(pairs), merge_distance)
        reach = Intervals.union(core.starts - merge_distance, core.ends + merge_distance)
        pairs += [pair for pair in second[contig] if reach.overlaps(*pair)]
        result[contig] = _merged(Intervals.of(pairs), merge_distance)
    return result


def write_bed(path: Path, regions: Mapping[str, Intervals]) -> None:
    """Write intervals by contig as a BED file of three columns."""
    lines = [
        f"{contig}\t{start}\t{end}\n"
        for contig, spans in regions.items()
        for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
    ]
    write_text(path, "".join(lines))


def _cut(spans: Intervals, piece: int) -> Iterator[tuple[int, int]]:
    """Cut intervals into pieces of nearly equal length, none longer than ``piece``."""
    for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True):
        count = -(-(end - start) // piece)
        borders = [start + (end - start) * number // count for number in range(count + 1)]
        yield from pairwise(borders)


def _neighbours(hits: Iterable[Hit], distance: int) -> Iterator[list[Hit]]:
    """Group alignments, sorted by start, that are at most ``distance`` apart."""
    group: list[Hit] = []
    reach = 0
    for hit in hits:
        if group and hit.start > reach + distance:
            yield group
            group = []
        reach = max(reach, hit.end) if group else hit.end
        group.append(hit)
    if group:
        yield group


def _merged(spans: Intervals, distance: int) -> Intervals:
    """Join intervals that are at most ``distance`` apart."""
    close = spans.starts[1:] - spans.ends[:-1] <= distance
    first, last = np.append(True, ~close), np.append(~close, True)
    return Intervals(spans.starts[first], spans.ends[last])


def _parse(text: str, path: Path, number: int) -> Hit:
    columns = text.split("\t")
    if len(columns) < COLUMNS:
        _refuse(f"the line has {len(columns)} columns", f"at least {COLUMNS}", path, number)
    numbers = [*columns[1:4], *columns[6:11]]
    if not all(column.isascii() and column.isdigit() for column in numbers):
        _refuse(f"a coordinate of {text[:80]!r} is no whole number", "PAF", path, number)
    query_length, left, right, length, start, end, matches, block = map(int, numbers)
    if not (left < right <= query_length and start < end <= length):
        problem = f"the alignment of {left}-{right} to {start}-{end} does not lie in its sequences"
        _refuse(problem, f"ends of at most {query_length} and {length}", path, number)
    if columns[4] not in ("+", "-"):
        _refuse(f"the strand is {columns[4]!r}", "+ or -", path, number)
    if not 0 <= matches <= block or block == 0:
        _refuse(f"{matches} of {block} bases match", "no more matches than bases", path, number)
    tags = {column[:5]: column[5:] for column in columns[COLUMNS:]}
    try:
        identity = 1 - float(tags["de:f:"]) if "de:f:" in tags else matches / block
    except ValueError:
        _refuse(f"the divergence is {tags['de:f:']!r}", "a number", path, number)
    primary = tags.get("tp:A:", "P") in ("P", "I")
    place = columns[4], columns[5], start, end
    return Hit(columns[0], query_length, left, right, *place, identity, primary)


def _refuse(problem: str, expected: str, path: Path, number: int) -> NoReturn:
    raise InputError(
        problem,
        path=path,
        where=f"line {number}",
        expected=expected,
        remedy="delete the file and align again: it may not have been written to its end",
    )
