from pathlib import Path

from pipeline_lib.config import load_config
from pipeline_lib.genome.sources import fetch_source
from pipeline_lib.job import job

with job(snakemake):
    assembly = load_config(snakemake.config).genome.assemblies[snakemake.wildcards.assembly]
    looked_up = Path(snakemake.input.looked_up) if snakemake.input.looked_up else None
    target = Path(snakemake.output[0])
    fetch_source(assembly, snakemake.wildcards.key, target, looked_up=looked_up)
