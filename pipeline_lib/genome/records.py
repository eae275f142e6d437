"""The records of a genome, whatever kind of sequence file it comes in."""

from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.genome.fasta import Record, read_fasta
from pipeline_lib.genome.twobit import is_twobit, read_twobit


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a FASTA file (plain, gzip or bgzip) or of a 2bit file.

    Raises
    ------
    InputError
        If the file is neither, or is damaged.
    """
    return read_twobit(path) if is_twobit(path) else read_fasta(path)
