from pathlib import Path

from pipeline_lib.genome.download import fetch
from pipeline_lib.job import job

with job(snakemake):
    fetch(snakemake.params.url, Path(snakemake.output[0]))
