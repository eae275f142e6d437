"""VCF as text, a block of lines at a time.

Only the columns of the chosen samples are looked at: where they lie is found for a whole block
at once from the tabs, so that 38 samples out of 3,000 cost little more than 38 out of 38.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus.haplotypes.records import (
    ABSENT,
    FIXED,
    INVALID,
    MISSING,
    Batch,
    Site,
    sample_names,
)
from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import FETCH_AGAIN, read_blocks

LONGEST_LINE = 1 << 27  # bytes: 30 million samples; a longer "line" is not a line
_TAB, _NEWLINE, _FORMAT = 9, 10, len(FIXED) - 1
_PADDING = b"\n\n\n\n"  # so that the four letters from any cell on can be looked at
_CELL = re.compile(rb"[^:\t\r\n]*")
_GENOTYPE = re.compile(rb"([|/]?)(\d{1,4}|\.)(?:([|/])(\d{1,4}|\.))?")

_ALLELES = np.full(256, INVALID, dtype=np.int16)
_ALLELES[ord("0") : ord("9") + 1] = range(10)
_ALLELES[ord(".")] = MISSING
_ENDS, _SEPARATORS = np.zeros((2, 256), dtype=bool)
_ENDS[list(b":\t\r\n")] = True
_SEPARATORS[list(b"|/")] = True


class TextReader:
    """A VCF file: plain, gzip or bgzip.

    Attributes
    ----------
    samples
        Names of the samples, in the order of the columns.

    Raises
    ------
    InputError
        If the file is not VCF, or is damaged: also while batches are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blocks = read_blocks(path, "VCF")
        self._rest, self._lines = b"", 0
        self.samples = self._read_header()

    def batches(self, columns: Sequence[int]) -> Iterator[Batch]:
        """Yield all records with the calls of the samples of these numbers, in this order."""
        chosen = np.array(columns, dtype=np.int64)
        for lines in self._whole_lines():
            yield self._parse(lines, chosen)
            self._lines += lines.count(b"\n")

    def _read_header(self) -> list[str]:
        buffer, begin = b"", 0
        while True:
            end = buffer.find(b"\n", begin)
            if end < 0 and (block := next(self._blocks, b"")):
                buffer, begin = self._join(buffer[begin:], block), 0
                continue
            line = buffer[begin : end if end >= 0 else None].removesuffix(b"\r")
            self._lines += 1
            if self._lines == 1 and not line.startswith(b"##fileformat=VCF"):
                raise self._no_header(f"the first line begins with {_shown(line)}")
            if line.startswith(b"#CHROM"):
                self._rest = buffer[end + 1 :] if end >= 0 else b""
                return sample_names(_decode(line), self.path)
            if end < 0:
                raise self._no_header("the file ends before the line #CHROM")
            if not line.startswith(b"##"):
                raise self._no_header(f"line {self._lines} comes before the line #CHROM")
            begin = end + 1

    def _whole_lines(self) -> Iterator[bytes]:
        rest = self._rest
        for block in self._blocks:
            cut = block.rfind(b"\n") + 1
            if cut:
                yield rest + block[:cut]
                rest = block[cut:]
            else:
                rest = self._join(rest, block)
        if rest:
            yield rest if rest.endswith(b"\n") else rest + b"\n"

    def _parse(self, lines: bytes, chosen: NDArray[np.int64]) -> Batch:
        text = np.frombuffer(lines + _PADDING, dtype=np.uint8)
        ends = np.flatnonzero(text[: len(lines)] == _NEWLINE)
        begins = np.concatenate([[0], ends[:-1] + 1])
        tabs = np.flatnonzero(text == _TAB)
        first = np.searchsorted(tabs, begins)
        found = np.searchsorted(tabs, ends) - first
        numbers = np.arange(len(begins))
        if (wrong := found != _FORMAT + len(self.samples)).any():
            for number in np.flatnonzero(wrong):
                self._check_blank(lines[begins[number] : ends[number]], int(number))
            begins, first, numbers = begins[~wrong], first[~wrong], numbers[~wrong]
        fixed = tabs[first[:, None] + np.arange(_FORMAT + 1)]  # (lines, 9)
        cells = tabs[first[:, None] + _FORMAT + chosen] + 1  # (lines, samples)
        places = zip(numbers.tolist(), begins.tolist(), fixed.tolist(), strict=True)
        sites = [self._site(lines, *place) for place in places]
        calls, phased = _decode_calls(lines, text, cells)

        def genotype(record: int, sample: int) -> str:
            return _decode(_cell(lines, int(cells[record, sample])))

        return Batch(sites, calls, phased, genotype)

    def _site(self, lines: bytes, number: int, begin: int, tabs: list[int]) -> Site:
        position = lines[tabs[0] + 1 : tabs[1]]
        if not position.isdigit() or len(position) > 12 or begin == tabs[0]:
            raise self._malformed(number, f"CHROM and POS are {_shown(lines[begin : tabs[1]])}")
        # The calls come first, or there are none: the format demands it.
        if lines[tabs[7] + 1 : tabs[8]].partition(b":")[0] != b"GT":
            raise InputError(
                f"FORMAT is {_shown(lines[tabs[7] + 1 : tabs[8]])}",
                path=self.path,
                where=f"record {_decode(lines[begin : tabs[0]])}:{int(position)}",
                expected="GT, the genotype, as its first key",
                remedy="give a file with phased genotypes",
            )
        alternatives = lines[tabs[3] + 1 : tabs[4]].upper()
        return Site(
            _decode(lines[begin : tabs[0]]),
            int(position) - 1,
            lines[tabs[2] + 1 : tabs[3]].upper(),
            () if alternatives == b"." else tuple(alternatives.split(b",")),
        )

    def _check_blank(self, line: bytes, number: int) -> None:
        if line.strip(b"\r"):
            columns = len(FIXED) + len(self.samples)
            found = line.count(b"\t") + 1
            raise self._malformed(
                number, f"the line has {found:,} columns, the header has {columns:,}"
            )

    def _join(self, rest: bytes, block: bytes) -> bytes:
        if len(rest) > LONGEST_LINE:
            raise self._malformed(0, "the line has no end")
        return rest + block

    def _malformed(self, number: int, problem: str) -> InputError:
        where = f"line {self._lines + number + 1:,}"
        return InputError(problem, path=self.path, where=where, remedy=FETCH_AGAIN)

    def _no_header(self, problem: str) -> InputError:
        return InputError(
            f"the file has no VCF header: {problem}",
            path=self.path,
            expected="##fileformat=VCFv4..., other lines of ##, and the line #CHROM",
            remedy="give the VCF file as it was published, with its header",
        )


def _decode_calls(
    lines: bytes, text: NDArray[np.uint8], cells: NDArray[np.int64]
) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Return the calls, shape (lines, samples, 2), and whether they are phased."""
    first, separator = _ALLELES[text[cells]], text[cells + 1]
    second = _ALLELES[text[cells + 2]]
    haploid = _ENDS[separator]
    usual = haploid | (_SEPARATORS[separator] & (second != INVALID) & _ENDS[text[cells + 3]])
    usual &= first != INVALID
    # A single dot says nothing about the number of haplotypes.
    second[haploid] = np.where(first[haploid] == MISSING, MISSING, ABSENT)
    calls, phased = np.stack([first, second], axis=-1), haploid | (separator == ord("|"))
    for line, sample in np.argwhere(~usual):
        *calls[line, sample], phased[line, sample] = _parse_genotype(
            _cell(lines, int(cells[line, sample]))
        )
    return calls, phased


@functools.lru_cache(maxsize=1 << 12)
def _parse_genotype(genotype: bytes) -> tuple[int, int, bool]:
    """Return both alleles and whether they are phased."""
    found = _GENOTYPE.fullmatch(genotype)
    if found is None:
        return INVALID, INVALID, True
    prefix, *_ = found.groups()
    first, second = (MISSING if allele == b"." else allele for allele in found.group(2, 4))
    if second is None:
        return int(first), MISSING if first == MISSING else ABSENT, True
    return int(first), int(second), found[3] == b"|" and prefix != b"/"


def _cell(lines: bytes, begin: int) -> bytes:
    found = _CELL.match(lines, begin)
    return found[0] if found else b""


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _shown(text: bytes) -> str:
    return repr(_decode(text[:40]))
