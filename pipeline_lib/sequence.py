"""DNA as bytes and as small integers.

Sequence is handled as upper- or lower-case ASCII ``bytes`` (case carries soft-masking) and,
for counting, as ``uint8`` codes: A=0, C=1, G=2, T=3, everything else 4.
"""

import numpy as np
from numpy.typing import NDArray

IUPAC = b"ACGTURYSWKMBDHVN"
_PAIRS = b"ACGTURYSWKMBDHVNacgturyswkmbdhvn-"
_MATES = b"TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn-"
_COMPLEMENT = bytes.maketrans(_PAIRS, _MATES)

_CODES = np.full(256, 4, dtype=np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _CODES[list(_letters)] = _code


def reverse_complement(sequence: bytes) -> bytes:
    """Return the reverse complement; case and IUPAC ambiguity codes are kept.

    >>> reverse_complement(b"AACGn")
    b'nCGTT'
    """
    return sequence.translate(_COMPLEMENT)[::-1]


def base_codes(sequence: bytes) -> NDArray[np.uint8]:
    """Return codes A=0, C=1, G=2, T=3 (either case), 4 for any other letter; shape (length,)."""
    return _CODES[np.frombuffer(sequence, dtype=np.uint8)]


def kmer_codes(codes: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """Return the code of the k-mer starting at each position, -1 where it holds a non-ACGT letter.

    Shape (length - k + 1,); the first base is the most significant digit, so that the code of a
    k-mer shifted right by 2 bits is the code of its first k-1 bases.
    """
    count = len(codes) - k + 1
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    result = np.zeros(count, dtype=np.int64)
    invalid = np.zeros(count, dtype=bool)
    for offset in range(k):
        column = codes[offset : offset + count]
        result = (result << 2) | (column & 3)
        invalid |= column > 3
    result[invalid] = -1
    return result
