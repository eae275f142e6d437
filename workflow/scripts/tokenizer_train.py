from pathlib import Path

from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.job import job
from pipeline_lib.tokenizer.train import make_tokenizer

with job(snakemake):
    haplotypes = Path(snakemake.input.haplotypes) if snakemake.input.haplotypes else None
    make_tokenizer(
        Path(snakemake.input.documents),
        {Path(genome).parent.name: Path(genome).parent for genome in snakemake.input.genomes},
        Path(snakemake.output.tokenizer),
        Path(snakemake.output.stats),
        Tokenizer(**snakemake.params.settings),
        seed=snakemake.params.seed,
        haplotypes=haplotypes,
        threads=snakemake.threads,
    )
