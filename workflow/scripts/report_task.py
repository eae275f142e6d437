from pathlib import Path

from pipeline_lib.job import job
from pipeline_lib.report.tuning import task_page

with job(snakemake):
    results, figures = map(Path, snakemake.input.results), map(Path, snakemake.input.figures)
    page, task = Path(snakemake.output[0]), snakemake.wildcards.task
    task_page(list(results), list(figures), task=task, page=page)
