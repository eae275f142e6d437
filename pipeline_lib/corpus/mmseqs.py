"""The homology filter by alignment: mmseqs2, which runs in an environment of its own."""

from collections import defaultdict
from pathlib import Path

from pipeline_lib.errors import InputError
from pipeline_lib.intervals import Intervals

COLUMNS = "target,tstart,tend,fident"


def search_command(
    queries: Path, genome: Path, hits: Path, scratch: Path, *, identity: float, threads: int
) -> list[str]:
    """Return the call of mmseqs2 that finds held-out sequence in an assembly, on both strands.

    Parameters
    ----------
    queries
        ``queries.fa`` of the plan of the corpus.
    genome
        FASTA file of the assembly.
    hits
        Table to write.
    scratch
        Folder for temporary files.
    """
    return [
        "mmseqs", "easy-search", str(queries), str(genome), str(hits), str(scratch),
        "--search-type", "3", "--strand", "2", "--min-seq-id", str(identity),
        "--format-output", COLUMNS, "--threads", str(threads), "-v", "2",
        "--max-seqs", "10000", "-s", "7.5",
    ]  # fmt: skip


def read_hits(path: Path, min_identity: float) -> dict[str, Intervals]:
    """Return the places of an assembly that are like held-out sequence, by contig.

    Raises
    ------
    InputError
        If a line is malformed.
    """
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            contig, first, last, identity = line.split("\t")
            low, high = sorted((int(first), int(last)))
            if low < 1:
                raise ValueError(f"position {low}")
            if float(identity) >= min_identity:
                spans[contig].append((low - 1, high))
        except ValueError as error:
            raise InputError(
                f"cannot read {line[:80]!r} ({error})",
                path=path,
                where=f"line {number}",
                expected=f"the columns {COLUMNS}, separated by tabs",
                remedy="delete the file and search again: it may not have been written to its end",
            ) from error
    return {contig: Intervals.of(pairs) for contig, pairs in spans.items()}
