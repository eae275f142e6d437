"""From the sequence file a user gives to the folder of an assembly that all later stages read."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.genome import Assembly
from pipeline_lib.files import write_json
from pipeline_lib.genome.aliases import (
    collect_aliases,
    header_aliases,
    read_alias_table,
    rule_aliases,
    write_aliases,
)
from pipeline_lib.genome.contigs import (
    Contig,
    check_organelle_names,
    check_some_kept,
    composition,
    organelle_warnings,
    reason_to_drop,
    shares,
    write_contigs,
)
from pipeline_lib.genome.fasta import Record, wrap
from pipeline_lib.genome.organelles import classify
from pipeline_lib.genome.output import bgzip_writer, index_fasta, staged_files
from pipeline_lib.genome.records import read_records
from pipeline_lib.genome.report import AssemblyReport
from pipeline_lib.genome.source import check_sums
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance

log = logging.getLogger(__name__)


def prepare_genome(
    source: Path,
    directory: Path,
    assembly: Assembly,
    *,
    name: str,
    report: Path | None = None,
    aliases: Path | None = None,
) -> None:
    """Write the kept contigs as indexed bgzip FASTA, and the tables that describe all of them.

    Parameters
    ----------
    source
        Sequence file: FASTA (plain, gzip or bgzip) or 2bit.
    directory
        Folder of the assembly. Gets ``genome.fa.gz`` with ``.fai`` and ``.gzi``,
        ``contigs.tsv``, ``aliases.tsv`` and ``stats.json``; all of them or none.
    assembly
        Settings: filters, checksums, organelles named by hand.
    name
        Name of the assembly in the configuration, for messages.
    report, aliases
        NCBI assembly report and table of other names, where there are such.

    Raises
    ------
    InputError
        If an input is unusable, a checksum differs, or no contig is left.
    """
    check_sums(source, sha256=assembly.sha256, md5=assembly.md5)
    rows = AssemblyReport(report) if report else None
    with staged_files(directory) as staging:
        fasta = staging / "genome.fa.gz"
        contigs, reported, total = _copy_kept(source, fasta, assembly, rows)
        names = [contig.name for contig in contigs]
        if rows and not reported:
            raise rows.no_match(names)
        check_organelle_names(assembly, names, assembly=name)
        check_some_kept(contigs, source, assembly=name)
        index_fasta(fasta, {contig.name: contig.length for contig in contigs if contig.kept})
        table = read_alias_table(aliases, names) if aliases else {}
        found, warnings = collect_aliases(contigs, reported=reported, table=table)
        warnings = organelle_warnings(contigs, assembly, assembly=name) + warnings
        for warning in warnings:
            log.warning("%s: %s", name, warning)
        write_contigs(staging / "contigs.tsv", contigs)
        write_aliases(staging / "aliases.tsv", found)
        stats = {"assembly": name, "species": assembly.species} | _stats(contigs, total)
        inputs = {"sequence": source, "assembly_report": report, "aliases": aliases}
        write_json(
            staging / "stats.json",
            stats | {"warnings": warnings, "provenance": _provenance(assembly, inputs)},
        )


def _provenance(assembly: Assembly, inputs: dict[str, Path | None]) -> dict[str, Any]:
    given: dict[str, str | Path] = {role: path for role, path in inputs.items() if path}
    # Nothing is drawn by chance in this stage: the seed is of no account.
    return provenance(assembly.model_dump(mode="json"), inputs=given, seed=0)


def _copy_kept(
    source: Path, target: Path, assembly: Assembly, report: AssemblyReport | None
) -> tuple[list[Contig], dict[str, tuple[str, ...]], NDArray[np.int64]]:
    """Copy the kept records; return all contigs, reported names, composition of the kept."""
    contigs: list[Contig] = []
    reported: dict[str, tuple[str, ...]] = {}
    total = np.zeros(256, dtype=np.int64)
    with (
        bgzip_writer(target) as handle,
        progress_bar(f"reading {source.name}", total=None, unit="b") as bar,
    ):
        for record in read_records(source):
            row = report.find(_names_of(record), len(record.sequence)) if report else None
            if row:
                reported[record.name] = row.names
            counts = composition(record.sequence)
            contig = _describe(record, counts, assembly, row.location if row else None)
            contigs.append(contig)
            bar.update(contig.length)
            if contig.kept:
                total += counts
                _write_record(handle, record)
            del record  # or two chromosomes would be in memory while the next one is read
    return contigs, reported, total


def _write_record(handle: Any, record: Record) -> None:
    handle.write(f">{record.name} {record.description}".rstrip().encode() + b"\n")
    for lines in wrap(record.sequence):
        handle.write(lines)


def _describe(
    record: Record, counts: NDArray[np.int64], assembly: Assembly, location: str | None
) -> Contig:
    length = len(record.sequence)
    molecule, evidence = classify(
        record.name,
        record.description,
        length,
        configured=assembly.organelles.get(record.name),
        reported=location,
    )
    gc, n_share, soft_masked_share = shares(counts)
    reason = reason_to_drop(molecule, evidence, length, assembly)
    return Contig(
        name=record.name,
        length=length,
        gc=gc,
        n_share=n_share,
        soft_masked_share=soft_masked_share,
        molecule=molecule,
        kept=not reason,
        reason=reason,
        description=record.description,
    )


def _names_of(record: Record) -> Iterator[str]:
    """Yield the names by which a record may stand in an assembly report, surest first."""
    stated = [record.name, *header_aliases(record.name, record.description)]
    yield from stated
    for item in stated:
        yield from rule_aliases(item)


def _stats(contigs: list[Contig], total: NDArray[np.int64]) -> dict[str, Any]:
    kept = [contig for contig in contigs if contig.kept]
    dropped = [contig for contig in contigs if not contig.kept]
    gc, n_share, soft_masked_share = shares(total)
    return {
        "records": len(contigs),
        "kept": {
            "contigs": len(kept),
            "bases": sum(contig.length for contig in kept),
            "n50": _n50([contig.length for contig in kept]),
            "gc": round(gc, 6) if gc == gc else None,
            "n_share": round(n_share, 6),
            "soft_masked_share": round(soft_masked_share, 6),
        },
        "dropped": {
            "contigs": len(dropped),
            "bases": sum(contig.length for contig in dropped),
            "reasons": dict(Counter(contig.reason for contig in dropped).most_common()),
        },
        "molecules": dict(Counter(contig.molecule for contig in contigs)),
    }


def _n50(lengths: list[int]) -> int:
    """Return the length such that contigs at least as long hold half of the bases."""
    descending = np.sort(lengths)[::-1]
    return int(descending[np.searchsorted(np.cumsum(descending), descending.sum() / 2)])
