"""The same haplotypes as `bcftools consensus`, which decides about overlaps as we do."""

import random
import shutil
import subprocess

import pytest

from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store

TOOLS = ("bcftools", "bgzip", "tabix")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not installed (Debian: bcftools, tabix)"
)
SAMPLES = ["s0", "s1", "s2"]
LENGTH = 3_000
GENOTYPES = ("0|0", "0|1", "1|0", "1|1", "1|.", ".|1", "0|.", ".|.", "1", "0", "1/1", "0/1")


def random_records(reference, rng, *, dense):
    """Return records of all kinds but those that bcftools refuses or knows more about."""
    records, position = [], 0
    while (position := position + rng.choice((0, 0, 1, 1, 2) if dense else (1, 5, 9))) < LENGTH - 9:
        ref = reference[position : position + rng.choice((1, 1, 1, 2, 3, 6))]
        alts = []
        for _ in range(rng.choice((1, 1, 2))):
            inserted = "".join(rng.choices("ACGT", k=rng.randint(1, 4)))
            alts.append(
                rng.choice(
                    (
                        ref[0] + inserted + ref[1:],
                        ref[0] + ref[rng.randint(1, 3) :],
                        ref[0],
                        rng.choice("ACGT") + ref[1:],
                        inserted,
                    )
                )
            )
        # An allele equal to REF, or standing twice, has no meaning to compare.
        if ref in alts or len(set(alts)) < len(alts):
            continue
        genotypes = rng.choices(GENOTYPES, k=len(SAMPLES))
        if len(alts) == 2:
            genotypes = [genotype.replace("1", rng.choice("12")) for genotype in genotypes]
        records.append(("20", position, ref, ",".join(alts), genotypes))
    return records


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def bcftools_consensus(path, fasta, sample, haplotype):
    """Return the sequence that bcftools makes of a FASTA file."""
    text = run("bcftools", "consensus", "-s", sample, "-H", str(haplotype + 1), "-f", fasta, path)
    return "".join(line for line in text.splitlines() if not line.startswith(">")).upper()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_random_records(tmp_path, memory_genome, to_vcf, seed, dense):
    rng = random.Random(f"{seed} {dense}")
    reference = "".join(rng.choices("ACGT", k=LENGTH))
    fasta, path = tmp_path / "20.fa", tmp_path / "in.vcf"
    fasta.write_text(f">20\n{reference}\n")
    path.write_text(to_vcf(random_records(reference, rng, dense=dense), SAMPLES))
    run("bgzip", str(path))
    run("tabix", "-p", "vcf", f"{path}.gz")
    genome = memory_genome({"20": reference})
    stats = build_store(
        [path.with_suffix(".vcf.gz")], genome, None, tmp_path / "store", unphased="keep"
    )
    assert stats["counts"]["overlapping"] > (100 if dense else 10)
    window = Haplotypes(tmp_path / "store").window("20", 0, LENGTH)
    for number, sample in enumerate(SAMPLES):
        for haplotype in range(2):
            found, _ = window.consensus(reference.encode(), number, haplotype)
            assert found.decode() == bcftools_consensus(f"{path}.gz", fasta, sample, haplotype)
