"""Genomes as people have them: any FASTA file with random access, or a prepared genome."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pysam

from pipeline_lib.errors import InputError
from pipeline_lib.genome.aliases import header_aliases, rule_aliases
from pipeline_lib.genome.names import nearest, some, without_version
from pipeline_lib.genome.reader import FILES, Genome


class Sequences(Protocol):
    """Random access to contigs by name."""

    @property
    def contigs(self) -> Mapping[str, int]:
        """Length in bases by name, in file order."""

    def resolve(self, name: str) -> str | None:
        """Return the contig that goes by ``name``, or None."""

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return bases ``start`` to ``end`` (0-based, half-open) in the case of the file."""


def open_genome(path: Path) -> Sequences:
    """Open a FASTA file (plain or bgzip), or the folder of a prepared genome.

    The prepared genome knows more names of its contigs: those of headers, reports and tables.
    Nothing is written beside the file: an index that is missing is made in a temporary folder.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read at random.
    """
    path = Path(path)
    folder = path.parent if path.name == FILES[0] else path
    if all((folder / name).exists() for name in FILES):
        return Genome(folder)
    if path.is_dir():
        raise InputError(
            "is a folder that holds no prepared genome",
            path=path,
            expected=", ".join(FILES),
            remedy="give a FASTA file, or a folder `results/genome/ASSEMBLY`",
        )
    return Fasta(path)


class Fasta:
    """Random access to the records of a FASTA file; see :class:`Sequences`.

    Parameters
    ----------
    path
        Plain or bgzip.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(
                "no such file",
                path=path,
                expected="a genome as FASTA, plain or bgzip",
                remedy="check the path",
            )
        _check_compression(self.path)
        self._indices = _indices(self.path)
        self._file: Any = None
        self._process: int | None = None
        handle = self._open()
        self.contigs: dict[str, int] = dict(zip(handle.references, handle.lengths, strict=True))
        self._aliases = _aliases(self.contigs)

    def resolve(self, name: str) -> str | None:
        """Return the record that goes by ``name``: with or without `chr`, or a version; or None."""
        if name in self.contigs:
            return name
        found = self._aliases.get(name) or self._aliases.get(without_version(name) or "")
        return found or None

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        """Return bases ``start`` to ``end`` (0-based, half-open) in the case of the file.

        Raises
        ------
        InputError
            If there is no such record, or the interval does not lie inside it.
        """
        length = self.contigs.get(contig)
        if length is None or not 0 <= start <= end <= length:
            raise InputError(
                f"there is no record {contig!r}; the nearest names are "
                f"{nearest(contig, self.contigs)}"
                if length is None
                else f"[{start:,}, {end:,}) does not lie inside {contig!r} of {length:,} bases",
                path=self.path,
                remedy="check that names and coordinates belong to this genome",
            )
        if start == end:
            return b""
        sequence: str = self._open().fetch(reference=contig, start=start, end=end)
        return sequence.encode("ascii")

    def __reduce__(self) -> tuple[type["Fasta"], tuple[Path]]:
        return Fasta, (self.path,)

    def __repr__(self) -> str:
        return f"Fasta({str(self.path)!r}): {some(list(self.contigs))}"

    def _open(self) -> Any:
        # A handle inherited by fork shares its file position with the parent's.
        packed = self._indices[1]
        if self._file is None or self._process != os.getpid():
            try:
                self._file = pysam.FastaFile(
                    str(self.path),
                    filepath_index=str(self._indices[0]),
                    filepath_index_compressed=str(packed) if packed else None,
                )
            except (OSError, ValueError) as error:
                raise InputError(
                    f"cannot be opened as FASTA ({error})",
                    path=self.path,
                    remedy="check the file; `samtools faidx` says more",
                ) from error
            self._process = os.getpid()
        return self._file


def _check_compression(path: Path) -> None:
    with path.open("rb") as handle:
        head = handle.read(18)
    if head[:2] == b"\x1f\x8b" and head[12:14] != b"BC":
        raise InputError(
            "is compressed with gzip, which allows no random access",
            path=path,
            expected="plain FASTA, or FASTA compressed with bgzip",
            remedy=f"run `gunzip -c {path.name} | bgzip > NEW.fa.gz`",
        )
    if head[:2] != b"\x1f\x8b" and not head.lstrip().startswith(b">"):
        raise InputError(
            f"begins with {head[:10]!r}",
            path=path,
            expected="FASTA, whose first letter is `>`",
            remedy="give the genome as FASTA",
        )


def _indices(path: Path) -> tuple[Path, Path | None]:
    """Return `.fai` and, of bgzip, `.gzi` of a FASTA file; missing or older ones are made."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    beside = [path.with_name(f"{path.name}.{kind}") for kind in ("fai", "gzi")[: 1 + packed]]
    changed = path.stat().st_mtime
    if all(file.exists() and file.stat().st_mtime >= changed for file in beside):
        return beside[0], beside[1] if packed else None
    about = path.stat()
    key = hashlib.sha256(f"{path.resolve()} {about.st_size} {about.st_mtime_ns}".encode())
    folder = Path(tempfile.gettempdir()) / f"dnalm-{os.getuid()}" / key.hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = folder / "fai", folder / "gzi"
    if not all(file.exists() for file in made[: 1 + packed]):
        _make(path, folder, made)
    return made[0], made[1] if packed else None


def _make(path: Path, folder: Path, made: tuple[Path, Path]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        parts = [Path(work) / file.name for file in made]
        try:
            pysam.faidx(str(path), "--fai-idx", str(parts[0]), "--gzi-idx", str(parts[1]))
        except pysam.utils.SamtoolsError as error:
            raise InputError(
                f"cannot be indexed ({' '.join(str(error).split())})",
                path=path,
                expected="lines of one length in each record, names that occur once",
                remedy="rewrite it with lines of equal length, for example `seqkit seq -w 80`",
            ) from error
        for part, file in zip(parts, made, strict=True):
            if part.exists():
                part.replace(file)


def _aliases(contigs: Mapping[str, int]) -> dict[str, str]:
    """Return record by other name; "" for a name that two records could go by."""
    found: dict[str, str] = {}
    for contig in contigs:
        stated = [contig, *header_aliases(contig, "")]
        for name in {*stated, *(alias for one in stated for alias in rule_aliases(one))}:
            if name not in contigs:
                found[name] = "" if found.get(name, contig) != contig else contig
    organelles = [name for name in contigs if name in ("MT", "chrM", "chrMT", "M", "Mito")]
    if len(organelles) == 1:
        for name in ("MT", "chrM", "chrMT", "M", "Mito"):
            found.setdefault(name, organelles[0])
    return found
