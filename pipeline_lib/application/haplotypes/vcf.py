"""Phased VCF and BCF, in and out: two haplotypes a sample."""

from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from pipeline_lib.application.haplotypes.panel import Alleles, Panel
from pipeline_lib.corpus.haplotypes.bcf import BcfReader, is_bcf
from pipeline_lib.corpus.haplotypes.records import (
    ABSENT,
    FIXED,
    INVALID,
    MISSING,
    Batch,
    Reader,
)
from pipeline_lib.corpus.haplotypes.text import TextReader
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path

SIDES = ("A", "B")
_LETTERS = frozenset(b"ACGT")
_PROBLEMS = {  # what a genotype may be instead of phased, and what to do
    INVALID: ("is not understood", "correct the record, or choose diploid samples"),
    MISSING: ("is missing", "impute missing genotypes, or leave the site out"),
    ABSENT: ("is haploid", "leave out contigs of one copy, such as X of males, Y and MT"),
}


def read_vcf(path: Path) -> Panel:
    """Read phased haplotypes of sites with two alleles.

    Raises
    ------
    InputError
        If a genotype is unphased, missing or haploid, a site has more than two alleles, or the
        file is damaged.
    """
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="check the path")
    reader: Reader = BcfReader(path) if is_bcf(path) else TextReader(path)
    parts: list[Alleles] = []
    rows: list[tuple[str, str, int, str, str]] = []
    for batch in reader.batches(range(len(reader.samples))):
        _check_sites(batch, path)
        _check_calls(batch, reader.samples, path)
        parts.append(batch.calls.reshape(len(batch.sites), -1).astype(np.uint8))
        for site in batch.sites:
            a0, a1 = site.reference.decode(), site.alternatives[0].decode()
            position = site.position + 1
            rows.append((f"{site.contig}:{position}_{a0}_{a1}", site.contig, position, a0, a1))
    if not rows:
        raise InputError("holds no records", path=path, remedy="give a file with genotypes")
    names = [f"{sample}_{side}" for sample in reader.samples for side in SIDES]
    sites = pd.DataFrame(rows, columns=["id", "contig", "position", "a0", "a1"])
    return Panel(np.ascontiguousarray(np.concatenate(parts).T), names, sites)


def write_vcf(path: Path, panel: Panel) -> None:
    """Write haplotypes as phased VCF (`.vcf`) or bgzip VCF with a tabix index (`.vcf.gz`).

    Two haplotypes that follow each other make a sample: those of one individual keep its name.

    Raises
    ------
    InputError
        If their number is odd, or the sites cannot be sorted without changing their order.
    """
    if len(panel) % 2:
        raise InputError(
            f"{len(panel):,} haplotypes cannot be paired",
            path=path,
            expected="an even number: a sample of a VCF has two",
            remedy="make one more, or write `.hapt`",
        )
    _check_order(panel.sites, path)
    with atomic_path(path) as temporary:
        packed = path.suffix == ".gz"
        with (
            pysam.BGZFile(str(temporary), "wb", None) if packed else temporary.open("wb") as handle
        ):
            handle.write(_header(panel).encode())
            text = (panel.alleles.T + ord("0")).astype(np.uint8)  # (sites, haplotypes)
            line = np.empty((len(panel) // 2, 4), dtype=np.uint8)
            line[:, 0], line[:, 2] = ord("\t"), ord("|")
            for site, alleles in zip(panel.sites.itertuples(index=False), text, strict=True):
                line[:, 1], line[:, 3] = alleles[::2], alleles[1::2]
                fixed = f"{site.contig}\t{site.position}\t{site.id}\t{site.a0}\t{site.a1}"
                handle.write(f"{fixed}\t.\tPASS\t.\tGT".encode() + line.tobytes() + b"\n")
    if packed:
        pysam.tabix_index(str(path), preset="vcf", force=True)


def sample_names(names: list[str]) -> list[str]:
    """Return a name for each pair of haplotypes: that of the individual, or one of its own."""
    pairs = list(zip(names[::2], names[1::2], strict=True))
    if all(one[:-2] == other[:-2] and one != other for one, other in pairs):
        return [one[:-2] for one, _ in pairs]
    return [f"{one}+{other}" for one, other in pairs]


def _header(panel: Panel) -> str:
    contigs = panel.sites["contig"].drop_duplicates()
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(f"##contig=<ID={contig}>" for contig in contigs),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype">',
        "\t".join([*FIXED, *sample_names(panel.names)]),
    ]
    return "\n".join(lines) + "\n"


def _check_sites(batch: Batch, path: Path) -> None:
    for site in batch.sites:
        alleles = (site.reference, *site.alternatives)
        plain = all(set(allele) <= _LETTERS for allele in alleles)
        if len(alleles) == 2 and plain:
            continue
        shown = " ".join(allele.decode(errors="replace")[:20] for allele in alleles)
        raise InputError(
            f"the alleles are {shown}",
            path=path,
            where=str(site),
            expected="two alleles of A, C, G and T",
            remedy="split or leave out other sites: `bcftools view -m2 -M2 -v snps`",
        )


def _check_calls(batch: Batch, samples: list[str], path: Path) -> None:
    for kind, (problem, remedy) in _PROBLEMS.items():
        for row, sample, _ in np.argwhere(batch.calls == kind)[:1]:
            raise _genotype_error(batch, int(row), int(sample), samples, path, problem, remedy)
    for row, sample, _ in np.argwhere(batch.calls > 1)[:1]:
        remedy = "correct the record"
        problem = "names an allele that the site does not have"
        raise _genotype_error(batch, int(row), int(sample), samples, path, problem, remedy)
    mixed = ~batch.phased & (batch.calls[..., 0] != batch.calls[..., 1])
    for row, sample in np.argwhere(mixed)[:1]:
        remedy = "phase the file first, for example with SHAPEIT or Beagle"
        raise _genotype_error(batch, int(row), int(sample), samples, path, "is not phased", remedy)


def _genotype_error(
    batch: Batch, row: int, sample: int, samples: list[str], path: Path, problem: str, remedy: str
) -> InputError:
    return InputError(
        f"the genotype {batch.genotype(row, sample)!r} of sample {samples[sample]!r} {problem}",
        path=path,
        where=str(batch.sites[row]),
        expected="phased genotypes of two alleles, such as 0|1",
        remedy=remedy,
    )


def _check_order(sites: pd.DataFrame, path: Path) -> None:
    runs = (sites["contig"] != sites["contig"].shift()).sum()
    falls = sites.groupby("contig", sort=False)["position"].diff().lt(0)
    if runs != sites["contig"].nunique() or falls.any():
        raise InputError(
            "the sites are not sorted, as those of a VCF must be",
            path=path,
            remedy="write `.hapt` with a legend, which keeps any order",
        )
