"""Files of variants with two classes: VCF with `CLNSIG`, and tables as papers publish them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pandas as pd

from pipeline_lib.config.evaluation import Variants
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.windows import find_contig
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.genome.source import read_lines

COLUMNS = ("contig", "position", "name", "ref", "alt")
OTHER_NAMES = {
    "chrom": "contig", "chr": "contig", "#chrom": "contig", "pos": "position", "id": "name",
    "reference": "ref", "alternative": "alt", "class": "label", "clnsig": "label",
}  # fmt: skip
MAX_DIFFERENT = 0.05
"""Share of variants whose reference allele may differ from the genome's."""

_ALLELE = re.compile("[ACGTN]+")
_CLNSIG = re.compile(r"(?:^|;)CLNSIG=([^;]*)")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file; ``position`` counts from 1."""

    line: int
    contig: str
    position: str
    name: str
    ref: str
    alt: str
    label: str


def read_variants(
    path: Path, settings: Variants, genome: Genome
) -> tuple[pd.DataFrame, Counter[str]]:
    """Read the variants of two classes that lie on the contigs of a genome.

    Three formats are told apart by their first line: VCF, whose class is ``CLNSIG`` of the INFO
    column; a table with a header that names contig, position, ref and alt, and label or name; and
    five columns without a header: contig, position, name, reference and alternative allele, where
    the name begins with the class. Positions count from 1.

    Returns
    -------
    table
        Columns line, contig (the genome's name), position (counted from 0), name, ref, alt and
        label (1: has an effect); each variant once.
    left_out
        How many lines were left out, by reason.

    Raises
    ------
    InputError
        If a line is malformed, more than 5 % of the reference alleles differ from the genome, or
        no variant is left; the message names the line.
    """
    left_out: Counter[str] = Counter()
    found: dict[tuple[str, int, str, str], dict[str, object]] = {}
    wrong: list[tuple[Row, str]] = []
    for row in _rows(path):
        label = _label(row.label, settings)
        contig = find_contig(row.contig, genome)
        if label is None:
            left_out["class that is neither positive nor negative"] += 1
        elif not contig:
            left_out["on a contig that the genome does not have"] += 1
        elif not (_ALLELE.fullmatch(row.ref) and _ALLELE.fullmatch(row.alt)):
            if row.alt not in (".", "*") and not row.alt.startswith("<") and "," not in row.alt:
                _refuse(
                    path, row.line, f"the alleles are {row.ref!r} and {row.alt!r}", "A, C, G, T"
                )
            left_out["missing, symbolic or several alternative alleles"] += 1
        else:
            position = _position(row, path)
            there = _reference(genome, contig, position, len(row.ref), row, path)
            if there != row.ref:
                wrong.append((row, there))
                continue
            key = (contig, position, row.ref, row.alt)
            left_out["given twice"] += key in found
            values = (row.line, *key[:2], row.name, *key[2:], label)
            names = ("line", "contig", "position", "name", "ref", "alt", "label")
            found.setdefault(key, dict(zip(names, values, strict=True)))
    _check_reference(wrong, len(found), path)
    left_out["reference allele differs from the genome"] += len(wrong)
    if not found:
        raise InputError(
            f"no variant can be used: {dict(left_out)}",
            path=path,
            expected=f"variants on {some(list(genome.contigs))}, of classes that begin with "
            f"{' or '.join((*settings.positive, *settings.negative))}",
            remedy="give a file for this assembly, or set `positive` and `negative` of the entry",
        )
    table = pd.DataFrame(list(found.values())).sort_values(["contig", "position"], kind="stable")
    return table.reset_index(drop=True), +left_out


def _rows(path: Path) -> Iterator[Row]:
    header: Sequence[str] | None = None
    vcf = False
    for number, text in read_lines(path, "variants"):
        if not text.strip() or text.startswith("##"):
            continue
        fields = text.split("\t" if "\t" in text else ",")
        if header is None:
            lower = [OTHER_NAMES.get(field.lower(), field.lower()) for field in fields]
            vcf = fields[0] == "#CHROM"
            header = lower if {"contig", "position", "ref", "alt"} <= set(lower) else COLUMNS
            if header is lower:
                continue
        if len(fields) < len(header):
            _refuse(
                path, number, f"the line has {len(fields)} columns", f"at least {', '.join(header)}"
            )
        values = dict(zip(header, fields, strict=False))
        label = values.get("label", values.get("name", ""))
        if vcf:
            significance = _CLNSIG.search(values.get("info", ""))
            label = significance[1] if significance else ""
        yield Row(
            number,
            values["contig"],
            values["position"],
            values.get("name", ""),
            values["ref"].upper(),
            values["alt"].upper(),
            label,
        )


def _label(text: str, settings: Variants) -> int | None:
    """Return 1 for a class with an effect, 0 for one without, None for any other."""
    given = text.strip().lower().replace(" ", "_")
    if given in ("0", "1"):
        return int(given)
    # "Benign/Likely_benign" begins as either of them does; conflicting ones as neither.
    for label, prefixes in ((1, settings.positive), (0, settings.negative)):
        if given.startswith(tuple(prefix.lower() for prefix in prefixes)):
            return label
    return None


def _position(row: Row, path: Path) -> int:
    if not row.position.isdecimal() or int(row.position) < 1:
        _refuse(path, row.line, f"the position is {row.position!r}", "a whole number from 1 on")
    return int(row.position) - 1


def _reference(genome: Genome, contig: str, start: int, length: int, row: Row, path: Path) -> str:
    if start + length > genome.contigs[contig]:
        _refuse(
            path,
            row.line,
            f"position {row.position} lies past the end of {row.contig!r}",
            f"at most {genome.contigs[contig]:,}",
            "use the assembly version that the file was made for",
        )
    return genome.fetch(contig, start, start + length).decode().upper()


def _check_reference(wrong: list[tuple[Row, str]], right: int, path: Path) -> None:
    if len(wrong) <= MAX_DIFFERENT * (len(wrong) + right):
        return
    row, there = wrong[0]
    raise InputError(
        f"{len(wrong):,} of {len(wrong) + right:,} reference alleles are not those of the genome, "
        f"first {row.ref!r} at {row.contig}:{row.position}",
        path=path,
        where=f"line {row.line}",
        expected=there,
        remedy="use the assembly version that the file was made for",
    )


def _refuse(path: Path, line: int, problem: str, expected: str, remedy: str = "") -> NoReturn:
    raise InputError(
        problem,
        path=path,
        where=f"line {line}",
        expected=expected,
        remedy=remedy
        or "correct the line: contig, position (from 1), name, reference, alternative allele",
    )
