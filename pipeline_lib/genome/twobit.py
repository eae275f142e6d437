"""UCSC's 2bit files: four bases to a byte, with the runs of N and of lower case listed apart.

Versions 0 and 1 (offsets of 64 bits), in either byte order. Nothing is believed before it is
compared with the size of the file: a damaged count must not ask for a terabyte of memory.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.genome.fasta import Record
from pipeline_lib.genome.source import FETCH_AGAIN

MAGIC = 0x1A412743
_BLOCK = 1 << 20  # packed bytes unpacked at a time
_MOST_RECORDS = 1 << 24
_LOWER = 0x20


def _unpacking_table() -> NDArray[np.uint8]:
    """Return the four letters of each byte, the first base in the highest bits; shape (256, 4)."""
    codes = np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3
    letters: NDArray[np.uint8] = np.frombuffer(b"TCAG", dtype=np.uint8)[codes]
    return letters


_LETTERS = _unpacking_table()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record of the index: its name, where it starts, and where it must have ended."""

    name: str
    start: int
    end: int


def is_twobit(path: Path) -> bool:
    """Tell whether a file starts as a 2bit file does."""
    try:
        with path.open("rb") as handle:
            start = handle.read(4)
    except OSError:  # for the FASTA reader to explain
        return False
    return start in (MAGIC.to_bytes(4, "little"), MAGIC.to_bytes(4, "big"))


def read_twobit(path: Path) -> Iterator[Record]:
    """Yield the records of a 2bit file, in the order of its index; masked bases in lower case.

    Only the record being read is in memory, provided that the caller lets go of the one before.

    Raises
    ------
    InputError
        If the file is truncated or damaged, or has a repeated or unusable name.
    """
    with path.open("rb") as raw:
        file = _File(raw, path)
        for number, entry in enumerate(file.index(), 1):
            yield Record(entry.name, "", number, file.sequence(entry))


class _File:
    """An open 2bit file; every read is checked against its end."""

    def __init__(self, raw: IO[bytes], path: Path) -> None:
        self._raw, self._path = raw, path
        self._size = raw.seek(0, 2)
        raw.seek(0)
        little = self._bytes(4, "the header") == MAGIC.to_bytes(4, "little")
        self._order = "<" if little else ">"

    def index(self) -> list[_Entry]:
        """Read the header and the index."""
        version, count, reserved = (int(n) for n in self._numbers(3, "the header"))
        if version not in (0, 1):
            self._refuse(f"the version is {version}", expected="0 or 1")
        if reserved:
            self._refuse(f"the reserved number of the header is {reserved}", expected="0")
        smallest = 1 + 1 + (8 if version else 4)
        if not 0 < count <= min((self._size - 16) // smallest, _MOST_RECORDS):
            self._refuse(
                f"the header announces {count:,} records, in a file of {self._size:,} bytes"
            )
        names: dict[str, int] = {}
        for number in range(1, count + 1):
            name = self._name(number)
            if name in names:
                self._refuse(f"the record name {name!r} appears twice")
            names[name] = self._offset(version, name)
        return self._entries(names, self._raw.tell())

    def sequence(self, entry: _Entry) -> bytearray:
        """Read the sequence of a record."""
        where = f"record {entry.name!r}"
        self._raw.seek(entry.start)
        length = int(self._numbers(1, where)[0])
        if length == 0:
            self._refuse("the record has no sequence", where=where)
        if -(-length // 4) > entry.end - entry.start:
            self._refuse(
                f"the record should have {length:,} bases, but there is no room for them",
                where=where,
            )
        unknown = self._runs(entry, length, "N")
        masked = self._runs(entry, length, "lower case")
        self._numbers(1, where)  # reserved
        if self._raw.tell() + -(-length // 4) > entry.end:
            self._refuse("the sequence runs into the next record or past the end", where=where)
        sequence = bytearray(length)
        letters = np.frombuffer(sequence, dtype=np.uint8)
        for start in range(0, length, 4 * _BLOCK):
            stop = min(start + 4 * _BLOCK, length)
            packed = np.frombuffer(self._bytes(-(-(stop - start) // 4), where), dtype=np.uint8)
            letters[start:stop] = _LETTERS[packed].reshape(-1)[: stop - start]
        for start, stop in unknown:
            letters[start:stop] = ord("N")
        for start, stop in masked:
            letters[start:stop] |= _LOWER
        return sequence

    def _entries(self, names: dict[str, int], index_end: int) -> list[_Entry]:
        """Give each record the space up to the next one."""
        starts = sorted(names.values())
        if starts[0] < index_end or starts[-1] > self._size - 16:
            self._refuse("a record starts inside the index or past the end of the file")
        if len(set(starts)) < len(starts):
            self._refuse("two records start in the same place")
        ends = dict(zip(starts, [*starts[1:], self._size], strict=True))
        return [_Entry(name, start, ends[start]) for name, start in names.items()]

    def _name(self, number: int) -> str:
        where = f"record {number:,} of the index"
        name = self._bytes(self._bytes(1, where)[0], where).decode("latin-1")
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            self._refuse(f"the name is {name!r}", where=where, expected="letters without spaces")
        return name

    def _offset(self, version: int, name: str) -> int:
        kind = "Q" if version else "I"
        size = struct.calcsize(f"{self._order}{kind}")
        packed = self._bytes(size, f"the place of record {name!r}")
        return int(struct.unpack(f"{self._order}{kind}", packed)[0])

    def _runs(self, entry: _Entry, length: int, kind: str) -> list[tuple[int, int]]:
        """Read a list of runs as (start, end), which must be in order and inside the record."""
        where = f"record {entry.name!r}"
        count = int(self._numbers(1, where)[0])
        if 8 * count > entry.end - self._raw.tell():
            self._refuse(f"there is no room for {count:,} runs of {kind}", where=where)
        starts = self._numbers(count, where).astype(np.int64)
        ends = starts + self._numbers(count, where)
        if count and (int(ends.max()) > length or np.any(starts[1:] < ends[:-1])):
            self._refuse(f"the runs of {kind} overlap or leave the record", where=where)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))

    def _numbers(self, count: int, where: str) -> NDArray[np.uint32]:
        packed = self._bytes(4 * count, where)
        return np.frombuffer(packed, dtype=f"{self._order}u4").astype(np.uint32)

    def _bytes(self, count: int, where: str) -> bytes:
        """Read exactly so many bytes."""
        if count > self._size - self._raw.tell():
            self._refuse("the file is truncated: its end is missing", where=where)
        return self._raw.read(count)

    def _refuse(
        self, problem: str, *, where: str | None = None, expected: str | None = None
    ) -> NoReturn:
        raise InputError(
            problem if "truncated" in problem else f"the 2bit file is damaged: {problem}",
            path=self._path,
            where=where,
            expected=expected,
            remedy=FETCH_AGAIN,
        )
