"""Windows of a genome around the places that a paper's table names."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, without_version
from pipeline_lib.genome.reader import Genome
from pipeline_lib.sequence import reverse_complement

MAX_UNKNOWN_SHARE = 0.1
PAST_END = "window past the end of the contig"
UNKNOWN_BASES = "window with over 10 % unknown bases"
DROPPED_CONTIG = "on a contig that was left out of the genome"

_IS_KNOWN = np.zeros(256, dtype=bool)
_IS_KNOWN[list(b"ACGTacgt")] = True
_IS_GC = np.zeros(256, dtype=bool)
_IS_GC[list(b"GCgc")] = True


def needs_genome(genome: Genome | None, kind: str) -> Genome:
    """Return the genome, or raise the error that asks for one."""
    if genome is None:
        raise InputError(
            f"a task of type {kind!r} takes its sequences from a genome, and has none",
            remedy="name an entry of `genome.assemblies` in the task's `assembly`",
        )
    return genome


def resolve_contigs(
    names: Iterable[str], lines: Iterable[int], genome: Genome, path: Path
) -> list[str]:
    """Return the genome's own names of contigs; "" for those that were left out of it.

    Names are found by any alias, and with or without ``chr`` in front.

    Raises
    ------
    InputError
        If the genome has no contig of a name; the message names the line.
    """
    found: dict[str, str] = {}
    result = []
    for name, line in zip(names, lines, strict=True):
        if name not in found:
            contig = find_contig(name, genome)
            if contig is None:
                raise InputError(
                    f"{name!r} names no contig of the genome",
                    path=path,
                    where=f"line {line}",
                    expected=f"a contig such as {nearest(name, genome.contigs)}, or an alias of it",
                    remedy="use the assembly that the file was made for; contigs.tsv and "
                    "aliases.tsv of the genome list its names",
                )
            found[name] = contig
        result.append(found[name])
    return result


def find_contig(name: str, genome: Genome) -> str | None:
    """Return the genome's own name of a contig, "" if it was left out, None if it is unknown."""
    for candidate in (name, name.removeprefix("chr"), f"chr{name}"):
        contig = genome.resolve(candidate)
        if contig is not None:
            return contig
        if candidate in genome.dropped or without_version(candidate) in genome.dropped:
            return ""
    return None


def bounds(
    positions: ArrayLike, strands: ArrayLike, upstream: int, downstream: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return forward starts and ends of windows around bases, read in the direction of strands.

    A window has ``upstream`` bases before the base and ``downstream`` from it on, so that its
    length is their sum and the base is number ``upstream`` (from 0) in reading direction.

    >>> [x.tolist() for x in bounds([100, 100], ["+", "-"], 3, 2)]
    [[97, 99], [102, 104]]
    """
    places = np.asarray(positions, dtype=np.int64)
    forward = np.asarray(strands) == "+"
    starts = np.where(forward, places - upstream, places - downstream + 1)
    return starts, starts + upstream + downstream


def with_sequences(table: pd.DataFrame, genome: Genome, left_out: Counter[str]) -> pd.DataFrame:
    """Add the sequences of windows, in reading direction; leave out those that cannot serve.

    Parameters
    ----------
    table
        Columns contig (the genome's own name, "" for one left out of it), start, end and strand.
    genome
        Where the sequences are taken from; one contig at a time is in memory.
    left_out
        Counts windows past an end, with over 10 % unknown bases, and on left-out contigs.
    """
    return table.assign(sequence=window_sequences(table, genome, left_out)).query("sequence != ''")


def window_sequences(
    table: pd.DataFrame, genome: Genome, left_out: Counter[str]
) -> NDArray[np.object_]:
    """Return the sequences of windows, "" for those that cannot serve; see `with_sequences`."""
    sequences = np.full(len(table), "", dtype=object)
    for contig, rows in table.groupby("contig", sort=False).indices.items():
        if not contig:
            left_out[DROPPED_CONTIG] += len(rows)
            continue
        length = genome.contigs[str(contig)]
        whole = genome.fetch(str(contig), 0, length).upper()
        part = table.iloc[rows]
        for row, start, end, strand in zip(
            rows, part["start"], part["end"], part["strand"], strict=True
        ):
            if start < 0 or end > length:
                left_out[PAST_END] += 1
                continue
            window = whole[start:end]
            if unknown_share(window) > MAX_UNKNOWN_SHARE:
                left_out[UNKNOWN_BASES] += 1
                continue
            window = window if strand == "+" else reverse_complement(window)
            sequences[row] = window.decode("ascii")
    return sequences


def unknown_share(sequence: bytes) -> float:
    """Return the share of letters other than A, C, G and T."""
    known = sum(map(sequence.count, (b"A", b"C", b"G", b"T")))
    return 1 - known / max(len(sequence), 1)


def gc_share(sequence: str) -> float:
    """Return the share of G and C."""
    return (sequence.count("G") + sequence.count("C")) / max(len(sequence), 1)


def tiles(whole: bytes, length: int, offset: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cut a contig into windows side by side; return the starts and GC shares of those known.

    Windows with over 10 % unknown bases are left out.
    """
    letters = np.frombuffer(whole, dtype=np.uint8)[offset:]
    count = len(letters) // length
    grid = letters[: count * length].reshape(count, length)
    starts = offset + length * np.arange(count, dtype=np.int64)
    known, gc = np.empty(count), np.empty(count)
    step = max(1, (1 << 24) // length)  # 16 MB at a time
    for first in range(0, count, step):
        part = slice(first, first + step)
        known[part] = np.count_nonzero(_IS_KNOWN[grid[part]], axis=1) / length
        gc[part] = np.count_nonzero(_IS_GC[grid[part]], axis=1) / length
    usable = known >= 1 - MAX_UNKNOWN_SHARE
    return starts[usable], gc[usable]
