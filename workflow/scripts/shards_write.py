from pathlib import Path

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.job import job
from pipeline_lib.shards.write import write_shards

with job(snakemake):
    write_shards(
        Path(snakemake.input.documents),
        {Path(genome).parent.name: Path(genome).parent for genome in snakemake.input.genomes},
        Path(snakemake.input.tokenizer),
        Path(snakemake.output[0]),
        ShardsConfig(**snakemake.params.settings),
        workers=snakemake.threads,
    )
