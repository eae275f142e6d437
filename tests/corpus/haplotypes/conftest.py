"""A genome in memory, a writer of VCF, and an oracle that knows nothing of the product."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tqdm import tqdm

from pipeline_lib.corpus.haplotypes import vcf
from pipeline_lib.genome.reader import Genome

Record = tuple[str, int, str, str, list[str]]
"""Contig, position from 0, REF, ALT as in the file, and genotypes."""


class MemoryGenome(Genome):
    """Contigs given as text; `chr` before a name makes no difference."""

    def __init__(self, contigs: dict[str, str]) -> None:
        self.letters = {name: text.encode() for name, text in contigs.items()}
        self.contigs = {name: len(text) for name, text in contigs.items()}

    def resolve(self, name: str) -> str | None:
        plain = name.removeprefix("chr")
        return plain if plain in self.contigs else None

    def fetch(self, contig: str, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= self.contigs[contig]
        return self.letters[contig][start:end]


def vcf_text(records: Sequence[Record], samples: Sequence[str]) -> str:
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines.append('##INFO=<ID=END,Number=1,Type=Integer,Description="End">')
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append('##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">')
    lines += [f"##contig=<ID={name}>" for name in dict.fromkeys(record[0] for record in records)]
    lines.append("\t".join(["#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT", *samples]))
    lines[-1] = lines[-1].replace(" ", "\t", 8)
    for contig, position, ref, alt, genotypes in records:
        fixed = [contig, str(position + 1), ".", ref, alt, ".", "PASS", ".", "GT:DP"]
        lines.append("\t".join(fixed + genotypes))
    return "\n".join(lines) + "\n"


def only_inserts_or_deletes(ref: str, alt: str) -> bool:
    short, long = (ref, alt) if len(ref) < len(alt) else (alt, ref)
    return len(short) < len(long) and any(
        long == short[:k] + long[k : k + len(long) - len(short)] + short[k:]
        for k in range(1, len(short) + 1)
    )


def naive_cells(
    reference: str,
    records: Sequence[Record],
    sample: int,
    haplotype: int,
    *,
    keep_unphased: bool = False,
) -> list[str]:
    """Return what stands in the haplotype for each base of the reference."""
    cells, end, grown = list(reference), 0, False
    for _, position, ref, alt, genotypes in records:
        genotype = genotypes[sample].partition(":")[0]
        called = [0 if part == "." else int(part) for part in re.split("[|/]", genotype)]
        if len(called) <= haplotype or called[haplotype] == 0:
            continue
        if "/" in genotype and called[0] != called[1] and not keep_unphased:
            continue
        new = alt.split(",")[called[haplotype] - 1].upper()
        ref = ref.upper()
        if set(new) - set("ACGTN") or new == ref:
            continue
        first = 0
        if position < end:
            if position < end - 1 or grown or not only_inserts_or_deletes(ref, new):
                continue
            first = 1  # the base in common stays as the record before left it
        for i in range(first, len(ref)):
            cells[position + i] = new[i:] if i == len(ref) - 1 else new[i : i + 1]
        if first and len(ref) == 1:
            cells[position] += new[1:]
        end, grown = position + len(ref), len(new) > len(ref)
    return cells


@pytest.fixture(scope="session")
def memory_genome() -> Callable[[dict[str, str]], Genome]:
    return MemoryGenome


@pytest.fixture(scope="session")
def to_vcf() -> Callable[..., str]:
    return vcf_text


@pytest.fixture(scope="session")
def oracle() -> Callable[..., list[str]]:
    return naive_cells


@pytest.fixture
def vcf_file(tmp_path: Path) -> Callable[[Sequence[Record], Sequence[str]], Path]:
    """Return a function that writes records into a new VCF file."""

    def write(records: Sequence[Record], samples: Sequence[str]) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.vcf"
        path.write_text(vcf_text(records, samples))
        return path

    return write


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the progress bars off: there would be one for each example."""

    @contextlib.contextmanager
    def bar(*_: object, **__: object) -> Iterator[tqdm]:
        with tqdm(disable=True) as quiet:
            yield quiet

    monkeypatch.setattr(vcf, "progress_bar", bar)
