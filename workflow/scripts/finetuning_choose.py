from pathlib import Path

from pipeline_lib.finetuning.choice import choose
from pipeline_lib.job import job

with job(snakemake):
    choose([Path(point) for point in snakemake.input], Path(snakemake.output[0]))
