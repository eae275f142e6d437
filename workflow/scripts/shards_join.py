from pathlib import Path

from pipeline_lib.job import job
from pipeline_lib.shards.write import join_shards

with job(snakemake):
    join_shards([Path(piece) for piece in snakemake.input.pieces], Path(snakemake.output[0]))
