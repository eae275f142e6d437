"""A first look at a file of variants, before hours are spent on it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_lib.application.scoring.alleles import (
    CONTIG,
    MISMATCH,
    UpperCase,
    misplaced,
    unusable,
)
from pipeline_lib.application.scoring.vcf import Record, VariantFile
from pipeline_lib.errors import InputError
from pipeline_lib.genome.names import nearest, some


@dataclass
class Summary:
    """What a file of variants holds.

    Attributes
    ----------
    records, alleles
        How many there are.
    reasons
        How many alleles have no scores, by reason; see ``alleles.REASONS``.
    mismatches, compared
        Records whose reference allele is not the genome's, of those that could be compared.
    contigs
        Names in the file, with those of the genome.
    """

    records: int = 0
    alleles: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    mismatches: int = 0
    compared: int = 0
    contigs: dict[str, str | None] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        return {
            "records": self.records,
            "alternative_alleles": self.alleles,
            "reference_mismatches": self.mismatches,
            "unknown_contigs": [name for name, known in self.contigs.items() if known is None],
            "without_scores": dict(sorted(self.reasons.items())),
        }


def examine(file: VariantFile, genome: UpperCase, max_mismatch: float) -> Summary:
    """Read a file once, and refuse what is not worth scoring.

    Raises
    ------
    InputError
        If it is not sorted, no contig of it is known, or more reference alleles than
        ``max_mismatch`` are not those of the genome.
    """
    found = Summary()
    before: Record | None = None
    first_wrong: tuple[Record, str] | None = None
    for record in file:
        _check_order(file, before, record, found.contigs)
        before = record
        if record.contig not in found.contigs:
            found.contigs[record.contig] = genome.resolve(record.contig)
        contig, start = found.contigs[record.contig], record.position - 1
        wrong = misplaced(genome, contig, start, record.ref)
        found.records += 1
        found.compared += wrong in ("", MISMATCH)
        if wrong == MISMATCH:
            found.mismatches += 1
            end = start + len(record.ref)
            there = genome.fetch(contig or "", start, end).decode()
            first_wrong = first_wrong or (record, there)
        for alt in record.alts or (".",):
            found.alleles += bool(record.alts)
            if reason := unusable(record.ref, alt) or wrong:
                found.reasons[reason] += 1
    if found.contigs and not any(found.contigs.values()):
        _refuse_contigs(file, found.contigs, genome)
    if first_wrong and found.mismatches > max_mismatch * found.compared:
        _refuse_build(file, found, *first_wrong, max_mismatch)
    return found


def _check_order(
    file: VariantFile, before: Record | None, record: Record, seen: Mapping[str, object]
) -> None:
    if before is None:
        return
    if record.contig == before.contig:
        if record.position >= before.position:
            return
        problem = f"{record.contig}:{record.position:,} stands after {before.position:,}"
    elif record.contig not in seen:
        return
    else:
        problem = f"{record.contig!r} comes back after {before.contig!r}"
    raise InputError(
        problem,
        path=file.path,
        where=f"line {record.number:,}",
        expected="records sorted by contig and position",
        remedy=f"sort it with `bcftools sort -Oz -o sorted.vcf.gz {file.path.name}`",
    )


def _refuse_contigs(
    file: VariantFile, contigs: Mapping[str, str | None], genome: UpperCase
) -> None:
    name = next(iter(contigs))
    raise InputError(
        f"none of its contigs is in the genome: {some(list(contigs))}",
        path=file.path,
        expected=f"names such as {nearest(name, genome.contigs)}",
        remedy="give the genome that the file was made for, or rename the contigs with "
        f"`bcftools annotate --rename-chrs`; {CONTIG} is the reason where only some are unknown",
    )


def _refuse_build(
    file: VariantFile, found: Summary, record: Record, there: str, max_mismatch: float
) -> None:
    share = found.mismatches / found.compared
    raise InputError(
        f"{found.mismatches:,} of {found.compared:,} reference alleles ({share:.1%}) are not "
        f"those of the genome: the assembly may be another build. First {record.ref!r} at "
        f"{record.contig}:{record.position:,}",
        path=file.path,
        where=f"line {record.number:,}",
        expected=f"{there!r}",
        remedy="give the assembly version that the file was made for (GRCh37 or GRCh38, say), or "
        f"allow more than {max_mismatch:.0%} with `--max-mismatch`",
    )
