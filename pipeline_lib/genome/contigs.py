"""Contigs of an assembly: what each is made of, which are kept, and why the others are not."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.genome import Assembly
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path
from pipeline_lib.genome.names import nearest
from pipeline_lib.genome.organelles import Molecule, mentions_organelle

_SLICE = 1 << 22
_UPPER = slice(ord("A"), ord("Z") + 1)
_LOWER = slice(ord("a"), ord("z") + 1)


@dataclass(frozen=True, slots=True)
class Contig:
    """One record of an assembly; the fields are the columns of ``contigs.tsv``.

    ``gc`` is the share of G and C among A, C, G and T (NaN if there is none of them), the other
    shares are of all letters. ``reason`` says why a record is not kept.
    """

    name: str
    length: int
    gc: float
    n_share: float
    soft_masked_share: float
    molecule: Molecule
    kept: bool
    reason: str
    description: str


def composition(sequence: bytes | bytearray) -> NDArray[np.int64]:
    """Count each byte value of a sequence; shape (256,)."""
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(sequence), _SLICE):  # bincount needs 8 bytes a letter
        letters = np.frombuffer(sequence[start : start + _SLICE], dtype=np.uint8)
        counts += np.bincount(letters, minlength=256)
    return counts


def shares(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return (GC among ACGT, share of N, share in lower case) of a composition."""
    upper = counts[_UPPER] + counts[_LOWER]
    a, c, g, t, n = (int(upper[ord(letter) - ord("A")]) for letter in "ACGTN")
    total = int(upper.sum())
    gc = (g + c) / (a + c + g + t) if a + c + g + t else float("nan")
    return gc, n / total, int(counts[_LOWER].sum()) / total


def reason_to_drop(molecule: Molecule, evidence: str, length: int, settings: Assembly) -> str:
    """Return why a contig is left out, or "" if it is kept."""
    if molecule in settings.drop_organelles:
        return f"{molecule}: {evidence}"
    if length < settings.min_contig_length:
        return f"shorter than {settings.min_contig_length:,} bases"
    return ""


def check_organelle_names(settings: Assembly, names: Iterable[str], *, assembly: str) -> None:
    """Raise InputError if the configuration names an organelle record that is not there."""
    known = dict.fromkeys(names)
    for name in settings.organelles:
        if name not in known:
            raise InputError(
                f"there is no record {name!r}; the nearest names are {nearest(name, known)}",
                where=f"genome.assemblies.{assembly}.organelles",
                remedy="write the record name as it stands in the FASTA file, up to the first "
                "space",
            )


def check_some_kept(contigs: Sequence[Contig], path: Path, *, assembly: str) -> None:
    """Raise InputError, listing the reasons, if all contigs were dropped."""
    if any(contig.kept for contig in contigs):
        return
    reasons = Counter(contig.reason for contig in contigs)
    listed = "; ".join(f"{count:,} x {reason}" for reason, count in reasons.most_common(5))
    longest = max(contig.length for contig in contigs)
    raise InputError(
        f"no contig is left of {len(contigs):,}: {listed}; the longest has {longest:,} bases",
        path=path,
        remedy=f"lower `min_contig_length` or change `drop_organelles` of "
        f"genome.assemblies.{assembly}",
    )


def organelle_warnings(
    contigs: Sequence[Contig], settings: Assembly, *, assembly: str
) -> list[str]:
    """Say which organelle was to be dropped but not recognised, and how to name it."""
    present = {contig.molecule for contig in contigs}
    missing = [molecule for molecule in settings.drop_organelles if molecule not in present]
    if not missing:
        return []
    likely = _likely_organelles(contigs)
    hint = "; most likely: " + ", ".join(
        f"{contig.name} ({contig.length:,} bases, GC {contig.gc:.0%})" for contig in likely
    )
    return [
        f"no record was recognised as a {molecule}; if there is one it stays in the corpus. "
        f"Name it with genome.assemblies.{assembly}.organelles: {{RECORD: {molecule}}}"
        f"{hint if likely else ''}"
        for molecule in missing
    ]


def _likely_organelles(contigs: Sequence[Contig], count: int = 3) -> list[Contig]:
    """Rank records that could be organelles: by their words, then by an unusual GC share.

    Organelle genomes have 6 kb (malaria) to about 1 Mb, and a base composition of their own.
    """
    nuclear = [c for c in contigs if c.molecule == "nuclear" and not math.isnan(c.gc)]
    sized = [contig for contig in nuclear if 5_000 <= contig.length <= 1_000_000]
    if not sized:
        return []
    lengths = sum(contig.length for contig in nuclear)
    usual = sum(contig.gc * contig.length for contig in nuclear) / lengths
    return sorted(
        sized,
        key=lambda contig: (not mentions_organelle(contig.description), -abs(contig.gc - usual)),
    )[:count]


def write_contigs(path: Path, contigs: Iterable[Contig]) -> None:
    """Write ``contigs.tsv``: one row a record of the source, kept or not."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write("\t".join(field.name for field in fields(Contig)) + "\n")
        for contig in contigs:
            handle.write("\t".join(map(_cell, astuple(contig))) + "\n")


def read_contigs(path: Path) -> list[Contig]:
    """Read ``contigs.tsv``."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [_contig(row) for row in rows]


def _contig(row: dict[str, str]) -> Contig:
    return Contig(
        name=row["name"],
        length=int(row["length"]),
        gc=float(row["gc"]),
        n_share=float(row["n_share"]),
        soft_masked_share=float(row["soft_masked_share"]),
        molecule=cast(Molecule, row["molecule"]),
        kept=row["kept"] == "true",
        reason=row["reason"],
        description=row["description"],
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}"
    return " ".join(str(value).split())  # no tab or line end from a header may break the table
