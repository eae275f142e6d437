from pathlib import Path

from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.genome.reader import Genome
from pipeline_lib.job import job

with job(snakemake):
    build_store(
        [Path(file) for file in snakemake.input.vcf],
        Genome(Path(snakemake.input.genome).parent),
        snakemake.params.variants["samples"] or None,
        Path(snakemake.output[0]),
        unphased=snakemake.params.variants["unphased"],
    )
