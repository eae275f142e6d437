"""The annotation of an assembly: read GFF3, joined to the contigs that were kept.

Publishers name sequences differently (`I` in Ensembl's GFF3, `ref|NC_001133|` in SGD's FASTA).
The names of the FASTA file win; the aliases of the genome lead there.
"""

import logging
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline_lib.errors import InputError
from pipeline_lib.files import write_json
from pipeline_lib.genome.gff3 import Feature, Line, read_features, read_gff3, rename_seqid
from pipeline_lib.genome.names import some
from pipeline_lib.genome.output import bgzip_writer, index_gff, staged_files
from pipeline_lib.genome.reader import Genome
from pipeline_lib.genome.source import check_sums
from pipeline_lib.progress import progress
from pipeline_lib.provenance import provenance

__all__ = ["Feature", "prepare_annotation", "read_features"]

TABIX_REACH = 1 << 29  # bases of a contig that a .tbi index can address

log = logging.getLogger(__name__)


def prepare_annotation(source: Path, directory: Path, *, sha256: str | None = None) -> None:
    """Write the annotation of the kept contigs, sorted and indexed.

    Parameters
    ----------
    source
        GFF3 file: plain, gzip or bgzip.
    directory
        Folder of the prepared genome. Gets ``annotation.gff3.gz`` with ``.tbi`` (sequence names
        as in ``genome.fa.gz``) and ``annotation.json`` (counts, and what was left out).
    sha256
        Checksum of ``source``.

    Raises
    ------
    InputError
        If the file is malformed, none of its sequence names is known, a feature does not fit
        on its contig, or nothing lies on a kept contig.
    """
    check_sums(source, sha256=sha256)
    with Genome(directory) as genome, staged_files(directory) as staging:
        spool = _Spool(genome)
        lines = staging / "lines.txt"
        with lines.open("wb") as handle:
            for line in progress(read_gff3(source), f"reading {source.name}", unit="line"):
                spool.add(line, handle, source)
        _check_joined(spool, source)
        warnings = _warnings(spool)
        for warning in warnings:
            log.warning("%s: %s", source.name, warning)
        target = staging / "annotation.gff3.gz"
        _write_sorted(lines, target, spool)
        lines.unlink()
        index_gff(target)
        stats = spool.counts() | {
            "warnings": warnings,
            "provenance": provenance({}, inputs={"annotation": source}, seed=0),
        }
        write_json(staging / "annotation.json", stats)


@dataclass(slots=True)
class _Spool:
    """Renamed lines in a file on disk; in memory only where each is and what to sort it by."""

    genome: Genome
    types: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    crossing_origin: int = 0
    circular: set[str] = field(default_factory=set)
    contig_index: dict[str, int] = field(init=False)
    contigs: "array[int]" = field(default_factory=lambda: array("q"))
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("q"))

    def __post_init__(self) -> None:
        self.contig_index = {name: index for index, name in enumerate(self.genome.contigs)}

    def add(self, line: Line, handle: IO[bytes], source: Path) -> None:
        """Write the line to the spool under the FASTA's name, or count why not."""
        feature = line.feature
        contig = self.genome.resolve(feature.contig)
        if contig is None:
            known = feature.contig in self.genome.dropped
            (self.dropped if known else self.unknown)[feature.contig] += 1
            return
        if feature.attributes.get("Is_circular", "").lower() == "true":
            self.circular.add(contig)
        if feature.end > self.genome.contigs[contig]:
            # On a circular molecule GFF3 lets a feature run past the origin.
            if contig not in self.circular or feature.start >= self.genome.contigs[contig]:
                raise _too_long(line, contig, self.genome.contigs[contig], source)
            self.crossing_origin += 1
            return
        if feature.end > TABIX_REACH:
            raise _out_of_reach(line, source)
        text = rename_seqid(line.text, contig).encode() + b"\n"
        handle.write(text)
        self.contigs.append(self.contig_index[contig])
        self.starts.append(feature.start)
        self.sizes.append(len(text))
        self.types[feature.type] += 1

    def counts(self) -> dict[str, Any]:
        """Return how many features were kept and left out, for ``annotation.json``."""
        return {
            "features": len(self.starts),
            "types": dict(sorted(self.types.items())),
            "left_out": {
                "on_dropped_contigs": dict(sorted(self.dropped.items())),
                "on_unknown_contigs": dict(sorted(self.unknown.items())),
                "crossing_the_origin": self.crossing_origin,
            },
        }


def _write_sorted(lines: Path, target: Path, spool: _Spool) -> None:
    """Write the spooled lines by contig and start; those of one start keep their order."""
    sizes = np.asarray(spool.sizes, dtype=np.int64)
    offsets = np.cumsum(sizes) - sizes
    order = np.lexsort((np.asarray(spool.starts), np.asarray(spool.contigs)))
    with lines.open("rb") as source, bgzip_writer(target) as handle:
        handle.write(b"##gff-version 3\n")
        for index in order.tolist():
            source.seek(int(offsets[index]))
            handle.write(source.read(int(sizes[index])))


def _check_joined(spool: _Spool, source: Path) -> None:
    if len(spool.starts):
        return
    if spool.dropped:
        raise InputError(
            f"all features lie on contigs that were left out ({some(list(spool.dropped))})",
            path=source,
            remedy="keep these contigs (see the reasons in contigs.tsv), or leave `annotation` out",
        )
    if spool.unknown:
        raise InputError(
            f"none of its sequence names is known: it has {some(list(spool.unknown))}, "
            f"the genome has {some(list(spool.genome.contigs))}",
            path=source,
            remedy="give a table with `aliases` (name in the FASTA file, tab, name in the GFF3 "
            "file) or NCBI's report with `assembly_report`",
        )
    raise InputError(
        "the file holds no feature", path=source, expected="GFF3", remedy="give a GFF3 file"
    )


def _warnings(spool: _Spool) -> list[str]:
    warnings = []
    if spool.unknown:
        warnings.append(
            f"{spool.unknown.total():,} features lie on {len(spool.unknown):,} sequences the "
            f"genome does not have ({some(list(spool.unknown))}) and were left out; if these are "
            "other names of its contigs, give a table with `aliases`"
        )
    if spool.crossing_origin:
        warnings.append(
            f"{spool.crossing_origin:,} features cross the origin of a circular contig and were "
            "left out"
        )
    return warnings


def _too_long(line: Line, contig: str, length: int, source: Path) -> InputError:
    feature = line.feature
    name = f"{feature.type} {feature.id!r}" if feature.id else feature.type
    return InputError(
        f"{name} ends at base {feature.end:,}, past the end of {contig!r}",
        path=source,
        where=f"line {line.number}",
        expected=f"no base past {length:,}",
        remedy="another assembly version? give the annotation of the very assembly in the FASTA "
        "file",
    )


def _out_of_reach(line: Line, source: Path) -> InputError:
    return InputError(
        f"the feature ends at base {line.feature.end:,}",
        path=source,
        where=f"line {line.number}",
        expected=f"at most {TABIX_REACH:,}, the reach of a tabix index",
        remedy="use an assembly whose chromosomes are split, or leave `annotation` out",
    )
