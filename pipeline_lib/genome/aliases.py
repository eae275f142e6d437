"""Other names of contigs, so that `I`, `chrI`, `NC_001133` and `NC_001133.9` find one record.

Names come from the headers, NCBI's assembly report, a table the user gives, and a few rules.
A name claimed by two records belongs to neither: it is left out with a warning, unless the
user's own table settles it. A record's own name always means that record.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path
from pipeline_lib.genome.contigs import Contig
from pipeline_lib.genome.names import nearest, some, without_version
from pipeline_lib.genome.source import read_lines

Source = Literal["header", "report", "table", "rule"]

ORGANELLE_NAMES: dict[str, tuple[str, ...]] = {
    "mitochondrion": ("MT", "Mt", "M", "chrM", "chrMT", "ChrM", "Mito", "chrmt", "mitochondrion"),
    "plastid": ("Pt", "PT", "chrPt", "chrC", "ChrC", "plastid", "chloroplast"),
}
# What comes before the identifier in NCBI's old names: ref|NC_001133|, gi|330443384|ref|NC_...|
_DATABASES = {"ref", "gb", "emb", "dbj", "tpg", "tpe", "tpd", "lcl"}
# Names of chromosomes: 1, 2L, 3R, XIV, X, Z, W, LG4.
_CHROMOSOME = r"(?:LG)?\d{1,3}[A-Za-z]{0,2}|[IVX]{1,6}|[A-Z]\d?"
_TAG = re.compile(r"\[chromosome=([^\]\s]+)\]")
_WORD = re.compile(rf"\bchromosome:? ({_CHROMOSOME})(?=[,\s]|$)")
_PIECE = re.compile(
    r"\b(scaffold|contig|unlocali[sz]ed|unplaced|alternate|patch|random|haplotype|partial)\b", re.I
)
_ENSEMBL = re.compile(r"\bdna\w*:\w+ \w+:[^:\s]*:([^:\s]+):\d+:\d+")
_PREFIXED = re.compile(rf"[Cc]hr({_CHROMOSOME})")
_UCSC_ACCESSION = re.compile(r"chr\w+?_([A-Z]{1,6}\d+)v(\d+)(?:_random|_alt|_fix)?")


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a record, and where it comes from: a row of ``aliases.tsv``."""

    contig: str
    alias: str
    source: Source


def collect_aliases(
    contigs: Sequence[Contig],
    *,
    reported: Mapping[str, Iterable[str]],
    table: Mapping[str, str],
) -> tuple[list[Alias], list[str]]:
    """Gather the other names of all records, kept or not, and settle contradictions.

    Parameters
    ----------
    contigs
        All records of the assembly.
    reported
        Names from the assembly report, by record.
    table
        Record by other name, from the user's table.

    Returns
    -------
    The names, grouped by record in file order, and warnings about those left out.
    """
    claims: dict[str, dict[str, Source]] = {}
    for alias in _claims(contigs, reported, table):
        claims.setdefault(alias.alias, {}).setdefault(alias.contig, alias.source)
    own = {contig.name for contig in contigs}
    accepted: list[Alias] = []
    contested: list[str] = []
    for name, by_contig in claims.items():
        if name in own:
            continue
        stated = {contig: source for contig, source in by_contig.items() if source == "table"}
        holders = stated or by_contig
        if len(holders) > 1:
            contested.append(name)
        else:
            accepted += [Alias(contig, name, source) for contig, source in holders.items()]
    order = {contig.name: index for index, contig in enumerate(contigs)}
    accepted.sort(key=lambda alias: order[alias.contig])
    return accepted, _warnings(contested, claims)


def header_aliases(name: str, description: str) -> Iterator[str]:
    """Yield the other names that a header itself states."""
    parts = name.split("|")
    for database, identifier in itertools.pairwise(parts):
        if database in _DATABASES and identifier:
            yield identifier
    if tag := _TAG.search(description):
        yield tag[1]
    if ensembl := _ENSEMBL.search(description):
        yield ensembl[1]
    # "chromosome 1 unlocalized genomic scaffold" is a piece of the chromosome, not its name.
    if (word := _WORD.search(description)) and not _PIECE.search(description):
        yield word[1]


def rule_aliases(name: str) -> Iterator[str]:
    """Yield names that follow from another name by a fixed rule.

    >>> list(rule_aliases("chrI")), list(rule_aliases("NC_001133.9"))
    (['I', 'chrI', 'ChrI'], ['NC_001133'])
    """
    if accession := without_version(name):
        yield accession
    if placed := _UCSC_ACCESSION.fullmatch(name):
        yield f"{placed[1]}.{placed[2]}"
        yield placed[1]
    prefixed = _PREFIXED.fullmatch(name)
    chromosome = prefixed[1] if prefixed else name
    if re.fullmatch(_CHROMOSOME, chromosome):
        yield from (chromosome, f"chr{chromosome}", f"Chr{chromosome}")


def read_alias_table(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Read a table of other names: name in the FASTA file, tab, other name; `#` starts a comment.

    Returns
    -------
    Record by other name.

    Raises
    ------
    InputError
        If a row is malformed, names an absent record, or contradicts another row.
    """
    known = dict.fromkeys(names)
    table: dict[str, str] = {}
    for number, line in read_lines(path, "table of aliases"):
        if not line.strip() or line.startswith("#"):
            continue
        record, alias = _table_row(line, path, number)
        if record not in known:
            raise InputError(
                f"there is no record {record!r}; the nearest names are {nearest(record, known)}",
                path=path,
                where=f"line {number}",
                remedy="write the record name of the FASTA file in the first column",
            )
        if table.get(alias, record) != record:
            raise InputError(
                f"{alias!r} is given to {record!r} and to {table[alias]!r}",
                path=path,
                where=f"line {number}",
                expected="one record for each other name",
                remedy="remove one of the two rows",
            )
        table[alias] = record
    return table


def write_aliases(path: Path, aliases: Iterable[Alias]) -> None:
    """Write ``aliases.tsv``."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write("contig\talias\tsource\n")
        for item in aliases:
            handle.write(f"{item.contig}\t{item.alias}\t{item.source}\n")


def read_aliases(path: Path) -> dict[str, str]:
    """Read ``aliases.tsv`` as record by other name."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["alias"]: row["contig"] for row in rows}


def _claims(
    contigs: Sequence[Contig], reported: Mapping[str, Iterable[str]], table: Mapping[str, str]
) -> Iterator[Alias]:
    """Yield every name each record could go by, other than its own."""
    by_record: dict[str, list[str]] = {}
    for alias, record in table.items():
        by_record.setdefault(record, []).append(alias)
    molecules = Counter(contig.molecule for contig in contigs)
    for contig in contigs:
        sources: tuple[tuple[Source, Iterable[str]], ...] = (
            ("table", by_record.get(contig.name, ())),
            ("header", _header_names(contig)),
            ("report", reported.get(contig.name, ())),
        )
        stated: dict[str, Source] = {}
        for source, names in sources:
            for name in names:
                stated.setdefault(name, source)
        only_one = molecules[contig.molecule] == 1
        for name in _derived(contig, list(stated), only_one=only_one):
            stated.setdefault(name, "rule")
        stated.pop(contig.name, None)
        yield from (Alias(contig.name, name, source) for name, source in stated.items())


def _derived(contig: Contig, stated: list[str], *, only_one: bool) -> Iterator[str]:
    """Yield names that follow by rule; `only_one` if no other record is this kind of molecule."""
    for name in (contig.name, *stated):
        if contig.molecule == "nuclear" or without_version(name):
            yield from rule_aliases(name)
    if only_one:
        yield from ORGANELLE_NAMES.get(contig.molecule, ())


def _header_names(contig: Contig) -> Iterator[str]:
    """Yield names of the header; the `chromosome 1` of a mitochondrion is not chromosome 1."""
    for name in header_aliases(contig.name, contig.description):
        if contig.molecule == "nuclear" or not re.fullmatch(_CHROMOSOME, name):
            yield name


def _table_row(line: str, path: Path, number: int) -> tuple[str, str]:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != 2 or not all(cells):
        raise InputError(
            f"the row has {len(cells)} columns" if len(cells) != 2 else "a cell is empty",
            path=path,
            where=f"line {number}",
            expected="two columns separated by a tab: name in the FASTA file, other name",
            remedy="correct the row, or start it with `#` to have it ignored",
        )
    return cells[0], cells[1]


def _warnings(contested: list[str], claims: Mapping[str, Mapping[str, Source]]) -> list[str]:
    if not contested:
        return []
    examples = "; ".join(f"{name!r}: {some(list(claims[name]))}" for name in contested[:3])
    return [
        f"{len(contested):,} other names are claimed by more than one record and were left out "
        f"({examples}); give the right ones in a table with `aliases`"
    ]
