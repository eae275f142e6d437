"""A writer of 2bit files, for the tests of the reader only."""

import re
import struct
from collections.abc import Mapping

CODES = {"T": 0, "C": 1, "A": 2, "G": 3, "N": 0}


def write_twobit(sequences: Mapping[str, str], *, order: str = "<", version: int = 0) -> bytes:
    """Return the bytes of a 2bit file of sequences in the letters ACGTNacgtn."""
    offset_kind = "Q" if version else "I"
    records = [_record(sequence, order) for sequence in sequences.values()]
    header = struct.pack(f"{order}4I", 0x1A412743, version, len(sequences), 0)
    entry = struct.calcsize(f"{order}{offset_kind}")
    place = len(header) + sum(1 + len(name) + entry for name in sequences)
    index = b""
    for name, record in zip(sequences, records, strict=True):
        index += struct.pack("B", len(name)) + name.encode()
        index += struct.pack(f"{order}{offset_kind}", place)
        place += len(record)
    return header + index + b"".join(records)


def _record(sequence: str, order: str) -> bytes:
    parts = [struct.pack(f"{order}I", len(sequence))]
    for pattern in ("[Nn]+", "[acgtn]+"):
        runs = [match.span() for match in re.finditer(pattern, sequence)]
        numbers = [len(runs), *(a for a, _ in runs), *(b - a for a, b in runs)]
        parts.append(struct.pack(f"{order}{len(numbers)}I", *numbers))
    parts.append(struct.pack(f"{order}I", 0))
    codes = [CODES[letter] for letter in sequence.upper()]
    codes += [0] * (-len(codes) % 4)
    packed = bytes(
        a << 6 | b << 4 | c << 2 | d
        for a, b, c, d in zip(codes[::4], codes[1::4], codes[2::4], codes[3::4], strict=True)
    )
    return b"".join([*parts, packed])
