from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.plan import write_lift_queries
from pipeline_lib.job import job

with job(snakemake):
    write_lift_queries(
        Path(snakemake.input.genome).parent,
        Path(snakemake.output[0]).parent,
        Corpus(**snakemake.params.settings),
    )
