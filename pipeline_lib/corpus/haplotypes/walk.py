"""Which calls can be applied to the reference: one walk along a contig for all haplotypes.

What is decided here depends on the records before, so it is decided once and for all: after it,
the calls of a haplotype never contradict each other, and any window can be read on its own.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

LETTERS = frozenset(b"ACGTN")


def reason_to_skip(alternative: bytes, reference: bytes) -> str | None:
    """Return why an alternative allele cannot be written into a sequence, or None if it can.

    >>> [reason_to_skip(allele, b"A") for allele in (b"<DEL>", b"*", b"A[2:5[", b"R", b"AT")]
    ['symbolic', 'spanning_deletion', 'breakend', 'other_letters', None]
    """
    if LETTERS.issuperset(alternative) and alternative:
        return "same_as_reference" if alternative == reference else None
    if alternative.startswith(b"<"):
        return "symbolic"
    if alternative == b"*":
        return "spanning_deletion"
    if b"[" in alternative or b"]" in alternative or b"." in (alternative[:1], alternative[-1:]):
        return "breakend"
    return "other_letters"


def keeps_anchor(reference: bytes, alternative: bytes) -> bool:
    """Tell whether an allele only inserts or only deletes bases, after an unchanged first base.

    >>> keeps_anchor(b"A", b"ACC"), keeps_anchor(b"ATC", b"AC"), keeps_anchor(b"AC", b"ATG")
    (True, True, False)
    """
    short, long = sorted((reference, alternative), key=len)
    if len(short) == len(long) or reference[0] != alternative[0]:
        return False
    same = 1
    while same < len(short) and short[same] == long[same]:
        same += 1
    return long.endswith(short[same:])


class Walk:
    """The records applied so far, by haplotype.

    A record is left out where it overlaps the one last applied to the same haplotype, as in
    ``bcftools consensus``. One overlap is harmless: an insertion or deletion whose unchanged
    first base is the last base of the record before, unless that one made the sequence longer.

    Attributes
    ----------
    counts
        Calls that were set to the reference, by reason.
    """

    def __init__(self, haplotypes: int) -> None:
        self._ends = np.zeros(haplotypes, dtype=np.int64)
        self._grown = np.zeros(haplotypes, dtype=np.bool_)
        self._reach = 0
        self.counts: Counter[str] = Counter()

    def settle(
        self,
        position: int,
        reference: bytes,
        alternatives: tuple[bytes, ...],
        calls: NDArray[np.int16],
    ) -> list[bytes]:
        """Set to 0 the calls that cannot be applied, and number the alleles in use from 1.

        Parameters
        ----------
        calls
            Numbers into ``alternatives``, from 1; 0 or less where there is nothing to apply.
            Changed in place; shape (haplotypes,).

        Returns
        -------
        list of bytes
            The alleles in use.
        """
        used = _used(calls)
        left_out = self.counts.total()
        for number in used:
            alternative = alternatives[number - 1]
            chosen = calls == number
            if reason := reason_to_skip(alternative, reference):
                self._leave_out(calls, chosen, reason)
            elif position < self._reach:
                overlapping = chosen & (self._ends > position)
                if keeps_anchor(reference, alternative):
                    overlapping &= (self._ends > position + 1) | self._grown
                self._leave_out(calls, overlapping, "overlapping")
        if self.counts.total() > left_out:
            used = _used(calls)
        for number in used:
            chosen = calls == number
            self._ends[chosen] = position + len(reference)
            self._grown[chosen] = len(alternatives[number - 1]) > len(reference)
            self._reach = max(self._reach, position + len(reference))
        for new, number in enumerate(used, 1):
            if new != number:
                calls[calls == number] = new
        return [alternatives[number - 1] for number in used]

    def _leave_out(self, calls: NDArray[np.int16], chosen: NDArray[np.bool_], reason: str) -> None:
        if chosen.any():
            self.counts[reason] += int(chosen.sum())
            calls[chosen] = 0


def _used(calls: NDArray[np.int16]) -> list[int]:
    """Return the alternatives called, in rising order."""
    return [int(n) for n in np.flatnonzero(np.bincount(np.maximum(calls, 0))) if n]
