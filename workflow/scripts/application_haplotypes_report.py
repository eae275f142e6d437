from pathlib import Path

from pipeline_lib.application.haplotypes.report import Inputs, write_report
from pipeline_lib.job import job, optional

with job(snakemake):
    given = snakemake.input
    others = zip(snakemake.params.names, map(Path, given.others), strict=True)
    samples = {"ours": Path(given.ours), **dict(others)}
    tables = optional(given.legend), optional(given.populations)
    inputs = Inputs(Path(given.real), samples, *tables, Path(given.model))
    write_report(inputs, Path(snakemake.output.page).parent, seed=snakemake.params.seed)
