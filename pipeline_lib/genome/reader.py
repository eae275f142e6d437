"""The one reader of a prepared genome, used by every later stage."""

import os
from pathlib import Path
from typing import Any, Self

import pysam

from pipeline_lib.errors import InputError
from pipeline_lib.genome.aliases import read_aliases
from pipeline_lib.genome.contigs import read_contigs
from pipeline_lib.genome.names import nearest, some, without_version

FILES = ("genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi", "contigs.tsv", "aliases.tsv")


class Genome:
    """Random access to the kept contigs of an assembly.

    Little more than the names is held in memory. Objects may be pickled and used after a fork:
    each process opens the file for itself.

    Parameters
    ----------
    directory
        Folder written by :func:`pipeline_lib.genome.prepare.prepare_genome`.

    Attributes
    ----------
    contigs
        Length in bases by name of the kept contigs, in file order.
    dropped
        Names, and other names, of the records that were left out.

    Raises
    ------
    InputError
        If the folder lacks one of the files.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        for name in FILES:
            if not (self.directory / name).exists():
                raise InputError(
                    f"{name} is missing",
                    path=self.directory,
                    remedy="make it with `snakemake --cores 2 genome`",
                )
        records = read_contigs(self.directory / "contigs.tsv")
        self.contigs = {record.name: record.length for record in records if record.kept}
        self._aliases = read_aliases(self.directory / "aliases.tsv")
        names = {record.name for record in records if not record.kept}
        self.dropped = names | {alias for alias, name in self._aliases.items() if name in names}
        self._versioned = {
            self._aliases.get(name, name)
            for name in (*self.contigs, *self._aliases)
            if without_version(name)
        }
        self._file: Any = None
        self._process: int | None = None

    def resolve(self, name: str) -> str | None:
        """Return the kept contig that goes by ``name``, or None.

        A versioned accession finds a contig known by the plain accession only, never one known
        by another version.
        """
        if name in self.contigs:
            return name
        found = self._aliases.get(name)
        plain = without_version(name)
        if found is None and plain is not None:
            unversioned = self._aliases.get(plain, plain)
            found = None if unversioned in self._versioned else unversioned
        return found if found in self.contigs else None

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return bases ``start`` to ``end`` (0-based, half-open) in the case of the file.

        Raises
        ------
        InputError
            If there is no such kept contig, or the interval does not lie inside it.
        """
        length = self.contigs.get(contig)
        if length is None:
            raise self._unknown(contig)
        if not 0 <= start <= end <= length:
            raise InputError(
                f"the interval [{start:,}, {end:,}) does not lie inside the contig",
                path=self.directory,
                where=f"contig {contig!r}",
                expected=f"0 <= start <= end <= {length:,}",
                remedy="check that the coordinates belong to this assembly version",
            )
        if start == end:
            return b""
        sequence: str = self._open().fetch(reference=contig, start=start, end=end)
        return sequence.encode("ascii")

    def close(self) -> None:
        """Close the file; a later fetch opens it again."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["Genome"], tuple[Path]]:
        return Genome, (self.directory,)

    def __repr__(self) -> str:
        return f"Genome({str(self.directory)!r}): {some(list(self.contigs))}"

    def _open(self) -> Any:
        # A handle inherited by fork shares its file position with the parent's.
        if self._file is None or self._process != os.getpid():
            self._file = pysam.FastaFile(str(self.directory / "genome.fa.gz"))
            self._process = os.getpid()
        return self._file

    def _unknown(self, contig: str) -> InputError:
        if contig in self.dropped:
            problem, remedy = "was left out of the genome", "see the reason in contigs.tsv"
        else:
            problem = f"is not in the genome; the nearest names are {nearest(contig, self.contigs)}"
            remedy = "use a name of contigs.tsv, or find it from another one with `resolve`"
        return InputError(f"contig {contig!r} {problem}", path=self.directory, remedy=remedy)
