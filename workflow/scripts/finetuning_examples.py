from pathlib import Path

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.finetuning.sites import build_sites
from pipeline_lib.job import job

with job(snakemake):
    build_sites(
        Path(snakemake.input.genome[0]).parent,
        Path(snakemake.output.stats).parent,
        parse_task(snakemake.params.settings),
        assembly=snakemake.params.assembly,
        seed=snakemake.params.seed,
    )
