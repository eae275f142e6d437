from pathlib import Path

from pipeline_lib.config import load_config
from pipeline_lib.genome.sources import look_up
from pipeline_lib.job import job

with job(snakemake):
    assembly = load_config(snakemake.config).genome.assemblies[snakemake.wildcards.assembly]
    look_up(assembly, Path(snakemake.output[0]))
