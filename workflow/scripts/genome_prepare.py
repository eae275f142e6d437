from pathlib import Path

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.job import job

with job(snakemake):
    prepare_genome(
        Path(snakemake.input.sequence),
        Path(snakemake.output.stats).parent,
        Assembly(**snakemake.params.settings),
        name=snakemake.wildcards.assembly,
        report=Path(snakemake.input.report) if snakemake.input.report else None,
        aliases=Path(snakemake.input.aliases) if snakemake.input.aliases else None,
    )
