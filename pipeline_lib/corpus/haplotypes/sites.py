"""The records of one contig on their way into the store: checked, settled and counted."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus.haplotypes.records import ABSENT, INVALID, MISSING, Batch, Site
from pipeline_lib.corpus.haplotypes.store import ContigWriter
from pipeline_lib.corpus.haplotypes.walk import Walk
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from pipeline_lib.sequence import IUPAC

CHUNK = 1 << 20  # bases of the reference held at a time
_KNOWN = frozenset(b"ACGT")
_LETTERS = frozenset(IUPAC)
_RNA = bytes.maketrans(b"U", b"T")


class ContigSites:
    """Takes the records of one contig in order, and writes those that change a haplotype.

    Attributes
    ----------
    records
        Number of records seen.
    counts
        Haplotype calls: applied, absent, or set to the reference, by reason.

    Raises
    ------
    InputError
        While adding, if a record is out of order, does not fit the genome or is malformed.
    """

    def __init__(
        self,
        genome: Genome,
        contig: str,
        path: Path,
        writer: ContigWriter,
        samples: Sequence[str],
        *,
        keep_unphased: bool,
    ) -> None:
        self._genome, self._contig, self._path = genome, contig, path
        self._writer, self._samples, self._keep_unphased = writer, samples, keep_unphased
        self._length = genome.contigs[contig]
        self._chunk, self._chunk_start, self._last = b"", 0, 0
        self._absent = np.zeros(2 * len(samples), dtype=np.bool_)
        self._walk = Walk(2 * len(samples))
        self._counts: Counter[str] = Counter()
        self.records = 0

    @property
    def counts(self) -> Counter[str]:
        """What became of the calls."""
        return self._counts + self._walk.counts

    def add(self, batch: Batch, begin: int, end: int) -> None:
        """Take the records ``begin`` to ``end`` (half-open) of a batch."""
        self._check_calls(batch, begin, end)
        calls = self._simplify(batch.calls[begin:end], batch.phased[begin:end])
        calls = calls.reshape(end - begin, -1)  # (records, haplotypes)
        absent = calls == ABSENT
        before = np.concatenate([self._absent[None], absent[:-1]])
        changed = np.asarray((absent != before).any(axis=1))
        carried = np.asarray((calls > 0).any(axis=1))
        self._absent = absent[-1]
        for row, site in enumerate(batch.sites[begin:end]):
            self._check_site(site)
            used = self._settle(site, calls[row]) if carried[row] else []
            if used or changed[row]:
                self._writer.add(
                    site.position, len(site.reference), used, calls[row].astype(np.int8)
                )
        self.records += end - begin

    def _simplify(self, calls: NDArray[np.int16], phased: NDArray[np.bool_]) -> NDArray[np.int16]:
        """Return calls without the missing and, unless they are kept, the unphased ones."""
        missing = calls == MISSING
        calls = np.where(missing, np.int16(0), calls)
        unordered = ~phased & (calls[..., 0] != calls[..., 1])
        self._counts["missing"] += int(missing.sum())
        self._counts["absent"] += int((calls == ABSENT).sum())
        self._counts["unphased"] += int((calls[unordered] > 0).sum())
        if not self._keep_unphased:
            calls[unordered] = 0
        return calls

    def _settle(self, site: Site, calls: NDArray[np.int16]) -> list[bytes]:
        used = self._walk.settle(site.position, site.reference, site.alternatives, calls)
        if len(used) > np.iinfo(np.int8).max:
            raise self._error(
                f"{len(used)} alternatives are in use", site, "at most 127", "leave the record out"
            )
        self._counts["applied"] += int((calls > 0).sum())
        return used

    def _check_calls(self, batch: Batch, begin: int, end: int) -> None:
        calls = batch.calls[begin:end]
        for row, sample, _ in np.argwhere(calls == INVALID)[:1]:
            raise self._error(
                f"the genotype {batch.genotype(begin + row, sample)!r} of sample "
                f"{self._samples[sample]!r} is not understood",
                batch.sites[begin + row],
                "one or two alleles, such as 0|1",
                "correct the record, or choose diploid samples",
            )
        alternatives = np.array([len(site.alternatives) for site in batch.sites[begin:end]])
        for row, sample in np.argwhere((calls > alternatives[:, None, None]).any(axis=2))[:1]:
            raise self._error(
                f"the genotype {batch.genotype(begin + row, sample)!r} of sample "
                f"{self._samples[sample]!r} names an allele that is not there",
                batch.sites[begin + row],
                f"allele numbers up to {alternatives[row]}",
                "correct the record",
            )

    def _check_site(self, site: Site) -> None:
        end = site.position + len(site.reference)
        if site.position < 0 or end > self._length or not site.reference:
            raise self._error(
                f"the record does not lie inside the contig, which has {self._length:,} bases",
                site,
                "variants of this genome",
                "use the VCF of the same genome build as the FASTA file",
            )
        if site.position < self._last:
            raise self._error(
                f"the record comes after {self._last + 1:,}: the file is not sorted",
                site,
                "records in the order of their positions",
                "sort the file with `bcftools sort`",
            )
        self._last = site.position
        bases = self._bases(site.position, end)
        if bases != site.reference and not _compatible(site.reference, bases):
            raise self._error(
                f"REF is {_short(site.reference)}, but the genome has {_short(bases)} here",
                site,
                "the bases of the genome",
                "use the VCF of the same genome build as the FASTA file: this one may be for "
                "another build",
            )

    def _bases(self, start: int, end: int) -> bytes:
        """Return bases of the genome in upper case; positions come in rising order."""
        if end > self._chunk_start + len(self._chunk):
            until = min(self._length, max(end, start + CHUNK))
            self._chunk = self._genome.fetch(self._contig, start, until).upper().translate(_RNA)
            self._chunk_start = start
        return self._chunk[start - self._chunk_start : end - self._chunk_start]

    def _error(self, problem: str, site: Site, expected: str, remedy: str) -> InputError:
        return InputError(
            problem, path=self._path, where=str(site), expected=expected, remedy=remedy
        )


def _compatible(reference: bytes, bases: bytes) -> bool:
    """Tell whether two sequences agree wherever both letters are known."""
    return _LETTERS.issuperset(reference) and all(
        one == other or one not in _KNOWN or other not in _KNOWN
        for one, other in zip(reference, bases, strict=True)
    )


def _short(sequence: bytes) -> str:
    text = sequence.decode("latin-1")
    return text if len(text) <= 20 else f"{text[:20]}... ({len(text):,} bases)"
