"""Where windows lie: stretches between gaps, windows along them, and which bins each speaks of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.annotation.shape import Shape
from pipeline_lib.sequence import base_codes
from pipeline_lib.tokenizer.vocabulary import GAP_LENGTH

READ = 1 << 20
"""Bases that are looked through for gaps at a time."""
_PLAIN = bytes(
    byte if byte in b"ACGT" else byte - 32 if byte in b"acgt" else {85: 84, 117: 84}.get(byte, 78)
    for byte in range(256)
)

Read = Callable[[int, int], bytes]
"""Returns the letters of a sequence from one base to another."""


def plain(letters: bytes) -> bytes:
    """Return letters as models read them: upper case, U as T, and N for all but A, C, G and T.

    >>> plain(b"acGTuRn")
    b'ACGTTNN'
    """
    return letters.translate(_PLAIN)


def stretches(read: Read, length: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a sequence between its gaps: runs of at least 10 unknown letters.

    The sequence is read piece by piece.
    """
    begin, unknown = 0, 0  # of the stretch; unknown letters right before the place
    for first in range(0, length, READ):
        piece = base_codes(read(first, min(first + READ, length))) > 3
        edges = np.flatnonzero(np.diff(piece, prepend=False, append=False)).reshape(-1, 2)
        if not len(edges) or edges[0, 0]:  # known letters first: what was before has ended
            begin, found = _closed(begin, first - unknown, first, unknown)
            yield from found
            unknown = 0
        for low, high in edges.tolist():
            unknown = unknown + high - low if low == 0 else high - low
            if high < len(piece):
                begin, found = _closed(begin, first + high - unknown, first + high, unknown)
                yield from found
                unknown = 0
    end = length - unknown if unknown >= GAP_LENGTH else length
    if end > begin:
        yield begin, end


def _closed(begin: int, low: int, high: int, unknown: int) -> tuple[int, list[tuple[int, int]]]:
    """Return where the stretch begins after some unknown letters, and what they have closed."""
    if unknown < GAP_LENGTH:
        return begin, []
    return high, [(begin, low)] if low > begin else []


@dataclass(frozen=True)
class Plan:
    """Windows along a stretch, each of which speaks of bins of its own, side by side.

    Bins are numbered along the whole contig: bin ``b`` begins at base ``b * size``, so that a
    stretch of a contig has the same bins wherever it is cut.

    Attributes
    ----------
    shape
        Of the windows.
    low, high
        Bases that may be read.
    both
        Whether the other strand is read too.
    """

    shape: Shape
    low: int
    high: int
    both: bool = False

    @property
    def before(self) -> int:
        """Bases that are read before the first one that is spoken of."""
        return max(self.shape.first, self.shape.behind) if self.both else self.shape.first

    @property
    def after(self) -> int:
        """Bases that are read from the first one on that is spoken of."""
        behind = max(self.shape.first, self.shape.behind) if self.both else self.shape.behind
        return self.shape.covered + behind

    @property
    def first(self) -> int:
        """The first bin that is spoken of."""
        return -((-self.low - self.before) // self.shape.size)

    @property
    def end(self) -> int:
        """The bin after the last that is spoken of."""
        last = (self.high - self.after) // self.shape.size
        return last + self.shape.units if last >= self.first else self.first

    @property
    def step(self) -> int:
        """Bins that a window speaks of."""
        return self.shape.units - 2 * self.shape.edge

    def __len__(self) -> int:
        return -((self.first - self.end) // self.step)

    def bins(self, first: int, last: int) -> tuple[int, int]:
        """Return the bins that the windows ``first`` to ``last`` (exclusive) speak of."""
        return self.first + first * self.step, min(self.first + last * self.step, self.end)

    def begins(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the first bin, used or not, of the windows ``first`` to ``last`` (exclusive)."""
        places = self.first + np.arange(first, last) * self.step - self.shape.edge
        return places.clip(self.first, self.end - self.shape.units)

    def touching(self, start: int, stop: int) -> tuple[int, int]:
        """Return the windows, first and after last, that speak of bases ``start`` to ``stop``."""
        size = self.shape.size
        # The last window may speak of fewer bins than the others.
        begin, end = max(start // size, self.first), min(-(-stop // size), self.end)
        if begin >= end:
            return 0, 0
        return (begin - self.first) // self.step, -((self.first - end) // self.step)
