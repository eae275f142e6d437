"""VCF and BCF as lines: what is not understood is passed on as it is."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, NoReturn

import pysam

from pipeline_lib.errors import InputError

END_OF_BGZF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_CONTIG = re.compile(r"##contig=<(?:.*,)?ID=([^,>]+)")
_INFO = re.compile(r"##INFO=<(?:.*,)?ID=([^,>]+)")


@dataclass(slots=True)
class Record:
    """One line.

    Attributes
    ----------
    number
        Of the line; of a BCF file, of the record.
    contig, position, name, ref, alts, info
        As in the file; the position counts from 1.
    quality
        The columns QUAL and FILTER.
    samples
        FORMAT and all after it, with the tab before; "" without samples.
    """

    number: int
    contig: str
    position: int
    name: str
    ref: str
    alts: tuple[str, ...]
    quality: str
    info: str
    samples: str

    def line(self, added: str) -> str:
        """Return the line with more in its INFO column."""
        parts = [part for part in (self.info, added) if part and part != "."]
        alts = ",".join(self.alts) or "."
        start = f"{self.contig}\t{self.position}\t{self.name}\t{self.ref}\t{alts}\t{self.quality}"
        return f"{start}\t{';'.join(parts) or '.'}{self.samples}\n"


class VariantFile:
    """A VCF (plain, gzip or bgzip) or BCF file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it is missing, empty or cut off, or has no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            self._refuse("no such file", "", "check the path", "a VCF or BCF file")
        with self.path.open("rb") as handle:
            head = handle.read(18)
            handle.seek(max(self.path.stat().st_size - len(END_OF_BGZF), 0))
            end = handle.read()
        if not head:
            self._refuse("is empty", "", "make the file again", "a VCF with its header")
        self._packed = head[:2] == b"\x1f\x8b"
        if self._packed and head[12:14] == b"BC" and end != END_OF_BGZF:
            self._refuse(
                "is cut off: the block that ends a bgzip file is missing",
                "",
                "copy or download it again, or pack it again with `bgzip`",
            )
        self._binary = self._starts_with(b"BCF")
        self._read_header()

    def _read_header(self) -> None:
        self.header: list[str] = []
        self.columns = ""
        for number, line in self._lines():
            if not line.startswith("#"):
                self._no_header(number, line)
            if number == 1 and not line.startswith("##fileformat=VCF"):
                self._no_header(number, line)
            if not line.startswith("##"):
                self.columns = line
                break
            self.header.append(line)
        names = self.columns.split("\t")
        if tuple(names[:8]) != COLUMNS:
            self._refuse(
                f"the header ends with {self.columns[:40]!r}",
                f"line {len(self.header) + 1}",
                "correct the line that names the columns",
                "#CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO, parted by tabs",
            )
        self._width = len(names)

    @cached_property
    def contigs(self) -> list[str]:
        """Contigs that the header names."""
        return [found[1] for line in self.header if (found := _CONTIG.match(line))]

    @cached_property
    def fields(self) -> set[str]:
        """INFO fields that the header names."""
        return {found[1] for line in self.header if (found := _INFO.match(line))}

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order of the file.

        Raises
        ------
        InputError
            If a line is malformed, or the file is cut off.
        """
        for number, line in self._lines():
            if line.startswith("#") or not line:
                continue
            fields = line.split("\t", 8)
            count = line.count("\t") + 1
            if count != self._width:
                self._refuse(
                    f"{count} columns", self._place(number), "correct the line, or make the file "
                    "again", f"{self._width}, as in the header",
                )  # fmt: skip
            if not fields[1].isdecimal():
                self._refuse(
                    f"the position is {fields[1]!r}", self._place(number),
                    "correct the line", "a whole number",
                )  # fmt: skip
            contig, position, name, ref, alts, quality, label, info = fields[:8]
            yield Record(
                number, contig, int(position), name, ref,
                () if alts == "." else tuple(alts.split(",")), f"{quality}\t{label}", info,
                f"\t{fields[8]}" if len(fields) > 8 else "",
            )  # fmt: skip

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            if self._binary:
                yield from self._binary_lines()
                return
            with self._open() as handle:
                for number, line in enumerate(handle, start=1):
                    yield number, line.decode().rstrip("\r\n")
        except (EOFError, zlib.error, OSError) as error:
            self._refuse(
                f"is damaged or cut off ({error})",
                "",
                "copy or download it again, or make it again",
            )
        except UnicodeDecodeError:
            self._refuse("is not text", "", "give a VCF or BCF file", "VCF, plain or bgzip, or BCF")

    def _binary_lines(self) -> Iterator[tuple[int, str]]:
        with pysam.VariantFile(str(self.path)) as file:
            header = str(file.header).rstrip("\n").split("\n")
            yield from enumerate(header, start=1)
            for number, record in enumerate(file, start=1):
                yield number, str(record).rstrip("\n")

    def _open(self) -> IO[bytes]:
        # Both are streams of bytes; the types of the two have no common name.
        return gzip.open(self.path) if self._packed else self.path.open("rb")  # type: ignore[return-value]

    def _starts_with(self, magic: bytes) -> bool:
        try:
            with self._open() as handle:
                return handle.read(len(magic)) == magic
        except (EOFError, zlib.error, OSError):
            return False  # told when lines are read

    def _place(self, number: int) -> str:
        return f"{'record' if self._binary else 'line'} {number:,}"

    def _no_header(self, number: int, line: str) -> NoReturn:
        self._refuse(
            f"has no header: it begins with {line[:40]!r}" if number == 1
            else f"the header breaks off with {line[:40]!r}",
            f"line {number:,}",
            "put the header back, for example from the file it was made from with `bcftools "
            "reheader`",
            "##fileformat=VCFv4.2, ... and #CHROM before the records",
        )  # fmt: skip

    def _refuse(
        self, problem: str, where: str, remedy: str, expected: str | None = None
    ) -> NoReturn:
        raise InputError(
            problem, path=self.path, where=where or None, expected=expected, remedy=remedy
        )
