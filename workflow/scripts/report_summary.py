from pathlib import Path

from pipeline_lib.job import job
from pipeline_lib.report.summary import summary

with job(snakemake):
    summary(
        [Path(file) for file in snakemake.input.models],
        [Path(file) for file in snakemake.input.tasks],
        title=snakemake.params.title,
        table=Path(snakemake.output.table),
        page=Path(snakemake.output.page),
    )
