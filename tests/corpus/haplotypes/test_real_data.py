"""Human chromosome 20: 1000 Genomes haplotypes, with indels at their true places."""

import gzip
import random
import shutil
import subprocess

import pytest

from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store

START, END = 950_000, 4_100_000  # variants lie within
WINDOW = 56_000


@pytest.fixture(scope="module")
def real(shared, memory_genome, to_vcf, tmp_path_factory):
    """Return genome, samples, records, path of the VCF, store and statistics."""
    folder, source = tmp_path_factory.mktemp("real"), shared / "data" / "human_chr20"
    with gzip.open(source / "20.GRCh37.fa.gz", "rt") as handle:
        handle.readline()
        reference = handle.read().replace("\n", "")
    with gzip.open(source / "1000G_phased_300samples_20_1.0-4.0Mb.vcf.gz", "rt") as handle:
        rows = [line.rstrip().split("\t") for line in handle if not line.startswith("##")]
    samples, records = rows[0][9:], []
    for row in rows[1:]:
        records.append(("chr20", int(row[1]) - 1, row[3], row[4], row[9:]))
    rng = random.Random(1)
    with gzip.open(source / "indels_194.vcf.gz", "rt") as handle:
        for row in (line.split("\t") for line in handle if not line.startswith("#")):
            if START < int(row[1]) < END:
                calls = rng.choices(("0|0", "0|1", "1|0", "1|1"), k=len(samples))
                records.append(("chr20", int(row[1]) - 1, row[3], row[4], calls))
    records.sort(key=lambda record: record[1])
    path = folder / "in.vcf"
    path.write_text(to_vcf(records, samples))
    genome = memory_genome({"20": reference})
    stats = build_store([path], genome, samples[::8], folder / "store")
    return genome, samples, records, path, Haplotypes(folder / "store"), stats


def test_random_windows_equal_the_oracle(real, oracle):
    genome, samples, records, _, haplotypes, stats = real
    assert len(haplotypes.samples) == 38
    assert stats["counts"]["applied"] > 100_000
    rng, changed = random.Random(2), 0
    for _ in range(300):
        length = rng.choice((1, 100, 5_000, WINDOW))
        start = rng.randrange(START, END - length)
        end, number, haplotype = start + length, rng.randrange(38), rng.randrange(2)
        column = samples.index(haplotypes.samples[number])
        reference = genome.fetch("20", start, end)
        margin = 200  # no record is longer
        near = [
            (name, position - start + margin, ref, alt, calls)
            for name, position, ref, alt, calls in records
            if start - margin <= position < end
        ]
        wide = genome.fetch("20", start - margin, end + margin).decode()
        cells = oracle(wide, near, column, haplotype)[margin : margin + length]
        found, lift = haplotypes.window("20", start, end).consensus(reference, number, haplotype)
        assert found.decode() == "".join(cells)
        border = rng.randint(start, end)
        assert lift(border) == len("".join(cells[: border - start]))
        changed += found != reference
    assert changed > 100


@pytest.mark.skipif(
    shutil.which("bcftools") is None, reason="bcftools is not installed (Debian: bcftools)"
)
def test_windows_equal_bcftools(real, tmp_path):
    genome, _, _, path, haplotypes, _ = real
    subprocess.run(
        ["bcftools", "view", "-Oz", "-o", tmp_path / "in.vcf.gz", path],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["bcftools", "index", tmp_path / "in.vcf.gz"], check=True)
    rng, fasta = random.Random(3), tmp_path / "window.fa"
    for _ in range(20):
        start = rng.randrange(START, END - 10 * WINDOW)
        end, number, haplotype = start + 10 * WINDOW, rng.randrange(38), rng.randrange(2)
        reference = genome.fetch("20", start, end)
        fasta.write_bytes(b">chr20:%d-%d\n%b\n" % (start + 1, end, reference))
        name = haplotypes.samples[number]
        made = subprocess.run(
            ["bcftools", "consensus", "-s", name, "-H", str(haplotype + 1), "-f", fasta,
             tmp_path / "in.vcf.gz"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found, _ = haplotypes.window("20", start, end).consensus(reference, number, haplotype)
        assert found.decode().upper() == "".join(made.stdout.split("\n")[1:]).upper()
