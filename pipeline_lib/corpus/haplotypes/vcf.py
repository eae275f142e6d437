"""From phased variant files to a store of haplotypes: a Parquet file of calls per contig.

A call that cannot be applied becomes the reference and is counted by its reason, so that whoever
reads the store need not decide anything. Files are streamed: what is held in memory is a block of
lines and a group of rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pipeline_lib.corpus.haplotypes.bcf import BcfReader, is_bcf
from pipeline_lib.corpus.haplotypes.records import Batch, Reader, choose_samples
from pipeline_lib.corpus.haplotypes.sites import ContigSites
from pipeline_lib.corpus.haplotypes.store import ContigWriter
from pipeline_lib.corpus.haplotypes.text import TextReader
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, write_json
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.progress import progress_bar

Unphased = Literal["reference", "keep"]


def build_store(
    vcfs: Sequence[Path],
    genome: Genome,
    samples: Sequence[str] | None,
    directory: Path,
    *,
    unphased: Unphased = "reference",
) -> dict[str, Any]:
    """Read phased variants and write the calls that can be applied to the reference.

    Writes a Parquet file for each contig with variants, and ``stats.json``; all or nothing. Only
    records that change a haplotype of a chosen sample become rows (and those at which haplotypes
    begin or cease to be absent).

    Parameters
    ----------
    vcfs
        VCF (plain, gzip, bgzip) or BCF files, sorted by position; each contig in one file only.
    genome
        The reference. Contigs are found by any of their names; those not kept are skipped.
    samples
        Names of the samples, in the order of the store; None for all samples of the first file.
    directory
        Folder of the store.
    unphased
        What becomes of heterozygous calls whose order means nothing (``0/1``): ``reference``, or
        ``keep`` for the order in which they stand.

    Returns
    -------
    dict
        The content of ``stats.json``. ``counts`` are haplotype calls: ``applied``, ``absent``
        (haploid calls) and, by reason, those set to the reference: ``missing``, ``unphased``,
        ``overlapping``, ``symbolic``, ``spanning_deletion``, ``breakend``, ``other_letters``,
        ``same_as_reference``.

    Raises
    ------
    InputError
        If a file is unusable or belongs to another genome, or a sample is not in it.
    """
    _check_choice(vcfs, samples)
    with atomic_directory(directory) as folder:
        builder = _Builder(genome, samples, folder, keep_unphased=unphased == "keep")
        for path in vcfs:
            builder.add_file(Path(path))
        stats = builder.finish([Path(path).name for path in vcfs], unphased)
        write_json(folder / "stats.json", stats)
    return stats


class _Builder:
    """The store while it is made, and what is counted on the way."""

    def __init__(
        self, genome: Genome, samples: Sequence[str] | None, folder: Path, *, keep_unphased: bool
    ) -> None:
        self._genome, self._folder, self._keep_unphased = genome, folder, keep_unphased
        self.samples = None if samples is None else list(samples)
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()  # records by name of a contig not in the genome
        self._done: dict[str, tuple[str, Path]] = {}  # name in which file, by contig
        self._tables: dict[str, dict[str, int]] = {}
        self._files: dict[str, str] = {}

    def add_file(self, path: Path) -> None:
        reader: Reader = BcfReader(path) if path.is_file() and is_bcf(path) else TextReader(path)
        if self.samples is None:
            self.samples = reader.samples
        columns = choose_samples(reader.samples, self.samples, path)
        for name, runs in groupby(_runs(reader, columns, path), key=lambda run: run[0]):
            contig = self._genome.resolve(name)
            if contig is None:
                self._skipped[name] += sum(end - begin for _, _, begin, end in runs)
                continue
            self._check_new(contig, name, path)
            self._add_contig(contig, path, runs)

    def _add_contig(
        self, contig: str, path: Path, runs: Iterator[tuple[str, Batch, int, int]]
    ) -> None:
        file = f"{quote(contig, safe='')}.parquet"
        assert self.samples is not None
        with closing(ContigWriter(self._folder / file)) as writer:
            sites = ContigSites(
                self._genome, contig, path, writer, self.samples,
                keep_unphased=self._keep_unphased,
            )  # fmt: skip
            for _, batch, begin, end in runs:
                sites.add(batch, begin, end)
        self._tables[contig] = {
            "records": sites.records, "rows": writer.rows, "applied": sites.counts["applied"],
        }  # fmt: skip
        self._counts += sites.counts
        self._files[contig] = file

    def finish(self, vcfs: list[str], unphased: Unphased) -> dict[str, Any]:
        """Return what ``stats.json`` is to hold."""
        if not self._tables:
            names = list(self._skipped)
            raise InputError(
                f"none of the contigs with variants ({some(names)}) is in the genome"
                if names
                else "there are no variant records",
                path=vcfs[0] if len(vcfs) == 1 else None,
                expected=f"variants on {some(list(self._genome.contigs))}" if names else None,
                remedy="give the variants of this genome, or a table of other names of its contigs"
                if names
                else "give files with variants",
            )
        return {
            "vcfs": vcfs,
            "samples": self.samples,
            "unphased": unphased,
            "counts": dict(self._counts.most_common()),
            "contigs": self._genome.contigs,
            "contigs_with_variants": self._tables,
            "records_of_other_contigs": dict(self._skipped),
            "files": self._files,
        }

    def _check_new(self, contig: str, name: str, path: Path) -> None:
        if contig not in self._tables:
            self._done[contig] = name, path
            return
        earlier = self._done[contig]
        if earlier == (name, path):
            problem, remedy = f"the records of {name!r} are not together", "`bcftools sort`"
        else:
            problem = (
                f"the contig {contig!r} of the genome was already found as {earlier[0]!r} "
                f"in {earlier[1].name}"
            )
            remedy = "`bcftools concat --allow-overlaps`"
        raise InputError(
            problem,
            path=path,
            where=f"contig {name!r}",
            expected="all records of a contig in one place, sorted by position",
            remedy=f"sort the file, or join the files, with {remedy}",
        )


def _runs(reader: Reader, columns: list[int], path: Path) -> Iterator[tuple[str, Batch, int, int]]:
    """Yield (contig, batch, begin, end): the records ``begin`` to ``end`` of a batch share it."""
    with progress_bar(f"reading {path.name}", total=None, unit=" records") as bar:
        for batch in reader.batches(columns):
            begin = 0
            for name, sites in groupby(batch.sites, key=lambda site: site.contig):
                end = begin + sum(1 for _ in sites)
                yield name, batch, begin, end
                begin = end
            bar.update(begin)


def _check_choice(vcfs: Sequence[Path], samples: Sequence[str] | None) -> None:
    if not vcfs:
        raise InputError("no variant files are given", remedy="name at least one VCF or BCF file")
    if samples is not None and not samples:
        raise InputError("the list of samples is empty", remedy="name at least one sample")
    twice = [name for name, count in Counter(samples or ()).items() if count > 1]
    if twice:
        raise InputError(f"samples are named twice: {some(twice)}", remedy="name each of them once")
