from pathlib import Path

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.job import job

with job(snakemake):
    genome = [Path(file).parent for file in snakemake.input.genome]
    build_examples(
        Path(snakemake.output.stats).parent,
        parse_task(snakemake.params.settings),
        genome=genome[0] if genome else None,
        seed=snakemake.params.seed,
    )
