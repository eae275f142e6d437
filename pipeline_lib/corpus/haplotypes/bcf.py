"""BCF, the binary form of VCF, version 2: read here and not by htslib, which may crash on damage.

A record is two parts, each preceded by its length: one for the site, one for the samples. Values
carry a byte with their type (low four bits) and number (high four bits; 15: an integer follows).
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus.haplotypes.records import (
    ABSENT,
    INVALID,
    MISSING,
    Batch,
    Site,
    sample_names,
)
from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import BGZIP_END, FETCH_AGAIN, GZIP_MAGIC

MAGIC = b"BCF\x02"
RECORDS_PER_BATCH = 1_024
LARGEST = 1 << 30  # bytes of one part of a record; more is damage
_SIZES = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 7: 1}  # bytes of a value by its type
_DAMAGE = (struct.error, IndexError, KeyError, ValueError, OverflowError)
_ENTRY = re.compile(r"##(contig|FILTER|INFO|FORMAT)=<(?:.*?,)??ID=([^,>]+)(?:.*,IDX=(\d+))?")


def is_bcf(path: Path) -> bool:
    """Tell whether a file that exists is BCF, compressed or not, by its first bytes."""
    try:
        with path.open("rb") as raw:
            if raw.read(len(MAGIC)) == MAGIC:
                return True
            raw.seek(0)
            if raw.read(2) != GZIP_MAGIC:
                return False
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return unpacked.read(len(MAGIC)) == MAGIC
    except (OSError, EOFError, zlib.error):
        return False  # the reader of text says what is wrong


class BcfReader:
    """A BCF file; the counterpart of :class:`TextReader`, with the same attributes and errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = path.open("rb")
        self._file: IO[bytes] = self._raw
        if self._raw.read(2) == GZIP_MAGIC:
            self._raw.seek(-min(len(BGZIP_END), path.stat().st_size), 2)
            if self._raw.read() != BGZIP_END:
                raise self._damaged("is truncated: its end is missing")
            self._file = cast(IO[bytes], gzip.GzipFile(fileobj=self._raw))
        self._raw.seek(0)
        self._file.seek(0)
        try:
            header = self._read_header()
        except _DAMAGE as error:
            raise self._damaged("is damaged in its header") from error
        self._contigs, self._keys = _dictionaries(header)
        self.samples = sample_names(header[-1] if header else "", path)

    def batches(self, columns: Sequence[int]) -> Iterator[Batch]:
        """Yield all records with the calls of the samples of these numbers, in this order."""
        chosen = np.array(columns, dtype=np.int64)
        sites: list[Site] = []
        genotypes: list[NDArray[np.int32]] = []
        with self._raw:
            while parts := self._read_record():
                try:
                    sites.append(self._site(parts[0]))
                    genotypes.append(self._genotypes(parts[1])[chosen])
                except _DAMAGE as error:
                    last = f" after {sites[-1]}" if sites else ""
                    raise self._damaged(f"is damaged{last}") from error
                if len(sites) == RECORDS_PER_BATCH:
                    yield _batch(sites, genotypes)
                    sites, genotypes = [], []
        if sites:
            yield _batch(sites, genotypes)

    def _read_header(self) -> list[str]:
        length = struct.unpack("<5xI", self._read(9))[0]
        if length > LARGEST:
            raise ValueError("header too long")
        text = self._read(length).rstrip(b"\0").decode(errors="replace")
        return text.rstrip("\n").splitlines()

    def _read_record(self) -> tuple[bytes, bytes] | None:
        """Return the two parts of the next record, or None at the end."""
        lengths = self._read(8, may_end=True)
        if not lengths:
            return None
        shared, individual = struct.unpack("<II", lengths)
        if max(shared, individual) > LARGEST:
            raise self._damaged("is damaged: a record is larger than 1 GB")
        return self._read(shared), self._read(individual)

    def _read(self, size: int, *, may_end: bool = False) -> bytes:
        try:
            content = self._file.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise self._damaged(f"is damaged ({error})") from error
        if len(content) < size and (content or not may_end):
            raise self._damaged("is truncated: its last record is incomplete")
        return content

    def _site(self, part: bytes) -> Site:
        contig, position = struct.unpack_from("<ii", part)
        alleles = struct.unpack_from("<I", part, 16)[0] >> 16
        place = _skip(part, 24)  # the identifier
        texts = []
        for _ in range(alleles):
            number, _, begin = _descriptor(part, place)
            place = begin + number
            texts.append(part[begin:place].upper())
        return Site(self._contigs[contig], position, texts[0], tuple(texts[1:]))

    def _genotypes(self, part: bytes) -> NDArray[np.int32]:
        """Return the coded alleles of all samples; shape (samples, ploidy)."""
        place, samples = 0, len(self.samples)
        while place < len(part):
            _, kind, begin = _descriptor(part, place)
            place = begin + _SIZES[kind]
            key = int.from_bytes(part[begin:place], "little")
            number, kind, begin = _descriptor(part, place)
            place = begin + number * _SIZES[kind] * samples
            if self._keys[key] == "GT" and kind in (1, 2, 3):
                values = np.frombuffer(part[begin:place], dtype=f"<i{_SIZES[kind]}")
                # Padding of calls with fewer alleles is the second lowest integer of the type.
                padding = np.iinfo(values.dtype).min + 1
                return np.where(values == padding, -1, values).reshape(samples, number)
        raise InputError(
            "a record has no genotypes",
            path=self.path,
            expected="GT in FORMAT",
            remedy="give a file with phased genotypes",
        )

    def _damaged(self, problem: str) -> InputError:
        self._raw.close()
        return InputError(f"the BCF file {problem}", path=self.path, remedy=FETCH_AGAIN)


def _batch(sites: list[Site], genotypes: list[NDArray[np.int32]]) -> Batch:
    """Decode genotypes: an allele is (number + 1) * 2 + phased, 0 for missing, -1 for padding."""
    ploidy = max(2, *(values.shape[1] for values in genotypes))
    coded = np.full((len(sites), genotypes[0].shape[0], ploidy), -1, dtype=np.int32)
    for record, values in enumerate(genotypes):
        coded[record, :, : values.shape[1]] = values
    alleles = np.where(coded >> 1 == 0, MISSING, (coded >> 1) - 1)
    alleles[coded == -1] = ABSENT
    single = alleles[..., 1] == ABSENT
    alleles[single, 1] = np.where(alleles[single, 0] == MISSING, MISSING, ABSENT)
    wrong = (alleles[..., 2:] != ABSENT).any(axis=-1) | (alleles[..., 0] == ABSENT)
    wrong |= ((coded < -1) | (coded > 2 * np.iinfo(np.int16).max)).any(axis=-1)
    calls = np.where(wrong[..., None], INVALID, alleles[..., :2]).astype(np.int16)

    def genotype(record: int, sample: int) -> str:
        return "/".join(str(allele) for allele in alleles[record, sample])

    return Batch(sites, calls, single | (coded[..., 1] & 1 == 1), genotype)


def _descriptor(part: bytes, place: int) -> tuple[int, int, int]:
    """Return number of values, their type, and where they begin."""
    number, kind = part[place] >> 4, part[place] & 15
    if number < 15:
        return number, kind, place + 1
    size = _SIZES[part[place + 1] & 15]
    begin = place + 2 + size
    return int.from_bytes(part[place + 2 : begin], "little"), kind, begin


def _skip(part: bytes, place: int) -> int:
    number, kind, begin = _descriptor(part, place)
    return begin + number * _SIZES[kind]


def _dictionaries(header: list[str]) -> tuple[dict[int, str], dict[int, str]]:
    """Return contigs and keys by the number under which records refer to them."""
    contigs: dict[str, int] = {}
    keys = {"PASS": 0}
    for line in header:
        if found := _ENTRY.match(line):
            names = contigs if found[1] == "contig" else keys
            number = int(found[3]) if found[3] else len(names)
            names.setdefault(found[2], number)
    return ({n: name for name, n in contigs.items()}, {n: name for name, n in keys.items()})
